/**
 * Where a router's threads want more processors than there are, those that forward come first: the rest of the process, its
 * main thread and V8's own that collect garbage and compile, is nicer (nice(2), which on Linux is of a thread). To be
 * nicer needs no privilege; to be less nice, as workers then try, does.
 */
import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** By so much others are nicer than nice is by default: together they still get a third of a processor that is fought for. */
const NICER = 10
/** And a worker less nice, where it may: then a twentieth. */
export const LESS_NICE = 10

/** The threads of this process that are there: to be asked before there are workers. */
export function presentThreads(): readonly number[] {
  return readdirSync('/proc/self/task').map(Number)
}

export function makeNicer(threads: readonly number[]): void {
  for (const thread of threads) {
    try {
      setPriority(thread, Math.min(constants.priority.PRIORITY_LOW, getPriority(thread) + NICER))
    } catch {
      // It has ended.
    }
  }
}
