/** When a long-running command is to end: on SIGTERM or SIGINT, or when the program that started it is no more. */
import { constants } from 'node:os'

export type StopReason = 'SIGTERM' | 'SIGINT' | 'parent gone'

/**
 * Resolves with the first reason to end. A signal that comes later ends the process at once (its exit handlers run): who
 * asks twice does not want to wait. A parent that gave us a channel (`child_process.fork`) and is gone is a reason as
 * well, so that nothing outlives what it was started for.
 */
export function toldToStop(): Promise<StopReason> {
  return new Promise(resolve => {
    const stop = (reason: StopReason) => {
      process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('disconnect', onGone)
      if (process.connected) process.disconnect()
      impatientFrom(performance.now() + SAME_SIGNAL_MS)
      resolve(reason)
    }
    const onSignal = (signal: 'SIGTERM' | 'SIGINT') => stop(signal)
    const onGone = () => stop('parent gone')
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
    if (process.connected) process.on('disconnect', onGone)
  })
}

/** Ctrl-C under npm arrives twice, from the terminal and from npm. */
const SAME_SIGNAL_MS = 300

function impatientFrom(atMs: number): void {
  const onSignal = (signal: 'SIGTERM' | 'SIGINT') => {
    if (performance.now() >= atMs) process.exit(128 + constants.signals[signal])
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
}
