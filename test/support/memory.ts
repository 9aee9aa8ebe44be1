/** What a process keeps and what a call costs, for tests that have a process of their own (test/sim). */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A collection that frees less has freed what there was. */
const STEADY_BYTES = 1 << 14
/** As many in a row, since code that nobody has called for a while is dropped by the second or third only. */
const STEADY_ROUNDS = 4
const MOST_ROUNDS = 40

let collect: (() => void) | undefined

/**
 * Bytes that are in use, on the heap and in buffers beside it, when the garbage is collected until there is no more: buffers that
 * one round has found to be nobody's are freed by a later one, and so is what only they held.
 */
export function keptBytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  let least = Number.POSITIVE_INFINITY
  for (let round = 0, steady = 0; round < MOST_ROUNDS && steady < STEADY_ROUNDS; round++) {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const kept = heapUsed + arrayBuffers
    steady = least - kept < STEADY_BYTES ? steady + 1 : 0
    least = Math.min(least, kept)
  }
  return least
}

/**
 * The longest of many calls, in milliseconds. Neither clock alone tells: time passes while the machine does other things, and
 * CPU time counts other threads of the process. A call takes no longer than either says.
 */
export class LongestCall {
  ms = 0

  time(call: () => void): void {
    const startMs = performance.now()
    const before = process.cpuUsage()
    call()
    const { user, system } = process.cpuUsage(before)
    const tookMs = performance.now() - startMs
    this.ms = Math.max(this.ms, Math.min(tookMs, (user + system) / 1000))
  }
}
