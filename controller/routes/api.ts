/**
 * The REST: what the controller knows, as JSON, and how services are shared, which can be said here. Errors are
 * `{ error: { code, message } }`.
 */
import { timingSafeEqual } from 'node:crypto'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify'
import { ServalError } from '../../src/errors.ts'
import { parseServicePattern } from '../../src/id/name.ts'
import type { PolicyFile } from '../policy-file.ts'
import { failure } from './failure.ts'
import { addPolicyRoutes } from './policies.ts'
import {
  type ControllerState,
  healthView,
  hostViews,
  instanceView,
  routerView,
  serviceDetail,
  serviceSummary,
} from './views.ts'

export interface ApiOptions {
  readonly state: ControllerState
  readonly logger: FastifyBaseLogger
  /** Asked for as `Authorization: Bearer TOKEN` where it is set; /v1/health answers without. */
  readonly token?: string | undefined
  /** Where policies that are said here are kept. */
  readonly kept?: PolicyFile | undefined
  /** The hub has something to say to its members. */
  readonly onChanged?: () => void
}

/** Ready to `listen`, or to be tested by `inject`. */
export function createApi({
  state,
  logger,
  token,
  kept,
  onChanged = () => undefined,
}: ApiOptions): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: MAX_NAME_CHARACTERS },
    forceCloseConnections: true,
    requestTimeout: REQUEST_MS,
    // Of URLs that no route is even looked up for.
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      reply.code(error.statusCode ?? 400).send(failure(error.code, error.message))
    },
  })
  // But for policies no resource takes a body, so none is read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  const { registry } = state.hub
  const members = () => [...registry.members.values()]

  app.setNotFoundHandler((request, reply) => {
    return reply.code(404).send(failure('ENOTFOUND', `no such resource: ${request.method} ${request.url}`))
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) logger.error({ err: error }, 'request failed')
    return reply.code(status).send(failure(error.code ?? 'EINTERNAL', error.message))
  })
  if (token !== undefined) {
    app.addHook('onRequest', async (request, reply) => {
      if (request.url === HEALTH || isAuthorized(request.headers.authorization, token)) return
      await reply
        .code(401)
        .header('www-authenticate', 'Bearer')
        .send(failure('EAUTH', 'this needs Authorization: Bearer TOKEN'))
    })
  }

  app.get(HEALTH, async () => healthView(state))
  app.get('/v1/services', async () => ({ services: [...registry.services.values()].map(serviceSummary) }))
  app.get<{ Params: { name: string } }>('/v1/services/:name', async (request, reply) => {
    const { name } = request.params
    const key = keyOf(name)
    if (key instanceof ServalError) return reply.code(400).send(failure(key.code, key.message))
    const service = registry.services.get(key)
    if (service !== undefined) return serviceDetail(state, service)
    return reply.code(404).send(failure('ENOSERVICE', `nobody has registered ${name}`))
  })
  app.register(async scope =>
    addPolicyRoutes(scope, { hub: state.hub, onChanged, kept, isOpen: token === undefined }),
  )
  app.get('/v1/instances', async () => ({
    instances: members()
      .filter(member => member.kind === 'host')
      .map(member => instanceView(state, member)),
  }))
  app.get('/v1/routers', async () => ({
    routers: members()
      .filter(member => member.kind === 'router')
      .map(member => routerView(state, member)),
  }))
  app.get('/v1/hosts', async () => ({ hosts: hostViews(state) }))
  return app
}

const HEALTH = '/v1/health'
const REQUEST_MS = 10_000
/** A raw ID percent-encoded at its longest. */
const MAX_NAME_CHARACTERS = 800

/** The registry's key of a name, prefix or raw ID. */
function keyOf(name: string): string | ServalError {
  try {
    return parseServicePattern(name).toString()
  } catch (error) {
    if (error instanceof ServalError) return error
    throw error
  }
}

/** Compared in a time that tells nothing about the token but its length. */
function isAuthorized(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '')
  const expected = Buffer.from(`Bearer ${token}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
