/** How services are shared, by REST: to be seen, said and taken back. What is acknowledged is kept first. */
import type { FastifyInstance } from 'fastify'
import { ServalError } from '../../src/errors.ts'
import { addressBytes } from '../../src/id/address.ts'
import { parsePolicy } from '../../src/service/policy-text.ts'
import type { Hub } from '../hub.ts'
import type { PolicyFile } from '../policy-file.ts'
import { failure } from './failure.ts'
import { policyView } from './views.ts'

export interface PolicyRoutes {
  readonly hub: Hub
  readonly onChanged: () => void
  /** Default: what is said ends with the process. */
  readonly kept?: PolicyFile | undefined
  /** Whether no token is asked for. */
  readonly isOpen: boolean
}

interface Named {
  Params: { pattern: string }
}

export function addPolicyRoutes(app: FastifyInstance, { hub, onChanged, kept, isOpen }: PolicyRoutes): void {
  // What is said is JSON: pages of other origins may send that only where they are allowed to, which they are not.
  const json = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: MAX_BODY_BYTES }, json)

  app.get('/v1/policies', async () => ({ policies: hub.registry.policies.all.map(policyView) }))

  app.put<Named>('/v1/policies/:pattern', async (request, reply) => {
    if (isOpen && !isLocalHost(request.hostname)) return reply.code(403).send(foreignHost(request.hostname))
    const share = shareIn(request.body)
    if (share === undefined) return reply.code(400).send(failure('ERR_INVALID_ARG_TYPE', BODY_FORM))
    const line = parsed(`${request.params.pattern} SHARE ${share}`)
    if (line instanceof ServalError) return reply.code(400).send(failure(line.code, line.message))
    kept?.set(line)
    hub.setPolicy(line)
    onChanged()
    return policyView(line)
  })

  app.delete<Named>('/v1/policies/:pattern', async (request, reply) => {
    if (isOpen && !isLocalHost(request.hostname)) return reply.code(403).send(foreignHost(request.hostname))
    const { pattern } = request.params
    const line = parsed(`${pattern} SHARE`)
    if (line instanceof ServalError) return reply.code(400).send(failure(line.code, line.message))
    if (hub.registry.policies.find(line.prefix) === undefined) {
      return reply
        .code(404)
        .send(failure('ENOTFOUND', `no policy is set for ${line.pattern}; see GET /v1/policies`))
    }
    kept?.remove(line.prefix)
    hub.removePolicy(line.prefix)
    onChanged()
    return reply.code(204).send()
  })
}

const MAX_BODY_BYTES = 4096
const BODY_FORM =
  'the body is JSON, { "share": "OPTION ..." } with the options of a rule, as in { "share": "balance=least-loaded" }'

/** The options in a body; undefined: it is another thing. */
function shareIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('share' in body)) return undefined
  const { share, ...rest } = body
  return typeof share === 'string' && Object.keys(rest).length === 0 ? share : undefined
}

function parsed(line: string) {
  try {
    return parsePolicy(line)
  } catch (error) {
    if (error instanceof ServalError) return error
    throw error
  }
}

/** A page whose name was made to lead here (DNS rebinding) gives that name: whoever needs no token gives an address. */
function isLocalHost(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  return address === 'localhost' || addressBytes(address) !== undefined
}

function foreignHost(hostname: string) {
  return failure(
    'EHOST',
    `changes without a token are taken by address, not as ${hostname}: use http://127.0.0.1:PORT, or set SERVAL_API_TOKEN`,
  )
}
