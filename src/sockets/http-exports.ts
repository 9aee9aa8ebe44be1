/**
 * What `serval/http` exports by name: all that `node:http` does, over active sockets, and a dispatcher for `fetch`. A host
 * name in a URL is the name of a service.
 */
import http from 'node:http'
import { urlToHttpOptions } from 'node:url'
import { adopting, callable } from './callable.ts'
import { type RequestOptions, Agent as ServiceAgent } from './http-agent.ts'
import { type RequestListener, type ServerOptions, Server as ServiceServer } from './http-server.ts'

export * from 'node:http'
export type { AgentOptions, RequestOptions } from './http-agent.ts'
export { type DispatcherOptions, dispatcher } from './http-dispatcher.ts'
export type { RequestListener, ServerOptions } from './http-server.ts'

type ResponseListener = (response: http.IncomingMessage) => void
type RequestArguments =
  | readonly [url: string | URL, onResponse?: ResponseListener]
  | readonly [url: string | URL, options: RequestOptions, onResponse?: ResponseListener]
  | readonly [options: RequestOptions, onResponse?: ResponseListener]

export const Agent = callable('Agent', ServiceAgent)
export type Agent = ServiceAgent
export const Server = callable('Server', ServiceServer)
export type Server = ServiceServer

/** What requests without an agent of their own go through, with the settings of Node's. It cannot be replaced. */
export const globalAgent = new ServiceAgent({ keepAlive: true, scheduling: 'lifo', timeout: 5000 })

/** A request to a service: `http://web.example/path`, `{ service, path }`, or a port of a host as with Node. */
class ServiceRequest extends adopting(http.ClientRequest) {
  constructor(...args: RequestArguments) {
    const { options, onResponse } = splitRequest(args)
    super(withAgent(options), onResponse)
  }
}

export const ClientRequest = callable('ClientRequest', ServiceRequest)
export type ClientRequest = ServiceRequest

export function request(...args: RequestArguments): ClientRequest {
  return new ServiceRequest(...args)
}

export function get(...args: RequestArguments): ClientRequest {
  return request(...args).end()
}

/** A server, whose `listen` takes a service name or a port. */
export function createServer(onRequest?: RequestListener): Server
export function createServer(options?: ServerOptions, onRequest?: RequestListener): Server
export function createServer(options?: ServerOptions | RequestListener, onRequest?: RequestListener): Server {
  return new ServiceServer(options as ServerOptions, onRequest)
}

function splitRequest(args: RequestArguments) {
  const [first, second, third] = args
  const given = typeof second === 'object' ? second : undefined
  const onResponse = typeof second === 'function' ? second : third
  // A URL may carry options that a program has added to it.
  const url = typeof first === 'string' ? new URL(first) : first
  const options: RequestOptions = url instanceof URL ? { ...urlToHttpOptions(url), ...given } : { ...url }
  return { options, onResponse }
}

/** Node would take an agent of its own, and with it the kernel's TCP. */
function withAgent(options: RequestOptions): RequestOptions {
  const { agent, createConnection, service } = options
  if (service !== undefined) options.host ??= service
  if (agent === false) options.agent = new ServiceAgent()
  else if (!agent && typeof createConnection !== 'function') options.agent = globalAgent
  return options
}
