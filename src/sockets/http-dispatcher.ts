/** A dispatcher for `fetch`, Node's own or undici's, whose connections are active sockets. */
import { createRequire } from 'node:module'
import type { Socket as NodeSocket } from 'node:net'
import type { Agent, buildConnector } from 'undici'
import type { Stack } from '../net/stack.ts'
import { wrongValue } from './arguments.ts'
import { targetOfRequest } from './http-target.ts'
import { connect } from './net-exports.ts'

export interface DispatcherOptions extends Omit<Agent.Options, 'connect' | 'factory'> {
  /** Default: the process's own. */
  stack?: Stack | undefined
}

/**
 * `fetch('http://web.example/path', { dispatcher: dispatcher() })`: one dispatcher keeps one pool of connections, so make
 * it once. Options are those of undici's `Agent`.
 */
export function dispatcher({ stack, ...options }: DispatcherOptions = {}): Agent {
  const undici: typeof import('undici') = require('undici')
  return new undici.Agent({ ...options, connect: connector(stack) })
}

/** undici takes its time to load, and many programs do without. */
const require = createRequire(import.meta.url)

/** undici's own (lib/core/connect.js) waits so long before it probes a silent peer. */
const KEEP_ALIVE_MS = 60_000

function connector(stack: Stack | undefined): buildConnector.connector {
  return ({ protocol, hostname, port }, callback) => {
    try {
      if (protocol !== 'http:') throw wrongValue('protocol', '"http:"', protocol)
      const settings = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, stack }
      const socket = connect({ ...targetOfRequest({ host: hostname, port }), ...settings })
      const onError = (error: Error) => callback(error, null)
      socket.once('error', onError)
      socket.once('connect', () => {
        socket.off('error', onError)
        callback(null, socket as NodeSocket)
      })
    } catch (error) {
      callback(error as Error, null)
    }
  }
}
