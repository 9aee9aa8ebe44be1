/** What a process keeps and what a call costs, for tests that have a process of their own (test/sim). */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Bytes that are in use, garbage collected first: on the heap, and in buffers beside it. */
export function keptBytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  // The second waits for buffers that the first has found to be nobody's.
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
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
