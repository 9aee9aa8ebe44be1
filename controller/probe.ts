/** Who answers at an address that is taken: another controller, or something else, or nobody any more. */
import { connect } from 'node:net'
import { emitMessage, parseMessage } from '../src/control/codec.ts'
import { INSTANCE_BYTES } from '../src/control/fields.ts'
import { FrameReader } from '../src/control/frame.ts'
import { CONTROL_VERSION } from '../src/control/messages.ts'
import { WireError } from '../src/wire/wire-error.ts'

export type Occupant =
  | { readonly type: 'controller'; readonly pid: number }
  /** It takes connections, but is no controller that can be talked to. */
  | { readonly type: 'other' }
  /** Nobody listens. */
  | { readonly type: 'nobody' }

/**
 * Says Hello as a probe and waits for Welcome, 5 s at most: a controller of a loaded machine may be slow. `target` is as
 * for `net.connect`.
 */
export function probe(target: { path: string } | { host: string; port: number }): Promise<Occupant> {
  return new Promise(resolve => {
    const socket = connect(target)
    const frames = new FrameReader()
    const finish = (occupant: Occupant) => {
      socket.destroy()
      resolve(occupant)
    }
    socket.setTimeout(PROBE_MS, () => finish({ type: 'other' }))
    socket.on('connect', () => socket.write(HELLO))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish({ type: error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'nobody' : 'other' })
    })
    socket.on('close', () => finish({ type: 'other' }))
    socket.on('data', chunk => {
      frames.push(chunk)
      const body = frames.next()
      if (body === undefined) return
      const message = body instanceof WireError ? body : parseMessage(body)
      const isWelcome = !(message instanceof WireError) && message.type === 'welcome'
      finish(isWelcome ? { type: 'controller', pid: message.pid } : { type: 'other' })
    })
  })
}

/** The same of a REST address, `http://address:port`. */
export async function probeApi(url: string): Promise<Occupant> {
  try {
    const response = await fetch(`${url}/v1/health`, { signal: AbortSignal.timeout(PROBE_MS) })
    const health: unknown = await response.json()
    const isOurs = typeof health === 'object' && health !== null && 'pid' in health
    return isOurs && typeof health.pid === 'number'
      ? { type: 'controller', pid: health.pid }
      : { type: 'other' }
  } catch {
    return { type: 'other' }
  }
}

const PROBE_MS = 5000

const HELLO = emitMessage({
  type: 'hello',
  version: CONTROL_VERSION,
  kind: 'probe',
  instance: '00'.repeat(INSTANCE_BYTES),
  hostId: '',
  hostName: '',
  program: 'serval controller',
  pid: process.pid,
  endpoints: [],
})
