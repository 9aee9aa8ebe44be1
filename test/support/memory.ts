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

/** The longest of many calls, in milliseconds of CPU time: what else the machine does is none of it. */
export class LongestCall {
  ms = 0

  time(call: () => void): void {
    const before = process.cpuUsage()
    call()
    const { user, system } = process.cpuUsage(before)
    this.ms = Math.max(this.ms, (user + system) / 1000)
  }
}
