/** The `signal` of servers and datagram sockets: aborting it closes them. */
import type { EventEmitter } from 'node:events'

/** The signal, which may live on, is forgotten once `emitter` has emitted `close`. */
export function closeOn(signal: AbortSignal, emitter: EventEmitter, close: () => void): void {
  if (signal.aborted) {
    process.nextTick(close)
    return
  }
  signal.addEventListener('abort', close, { once: true })
  emitter.once('close', () => signal.removeEventListener('abort', close))
}
