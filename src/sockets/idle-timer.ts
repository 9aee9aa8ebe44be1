/** The `timeout` of a socket: it fires when nothing has happened for so long, and keeps no process alive. */
import { ServalError } from '../errors.ts'
import { checkNumber } from './arguments.ts'

export class IdleTimer {
  readonly #onIdle: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(onIdle: () => void) {
    this.#onIdle = onIdle
  }

  /** 0 switches it off. */
  start(idleMs: number): void {
    this.stop()
    if (idleMs > 0) this.#timer = setTimeout(this.#onIdle, idleMs).unref()
  }

  /** Something has happened. */
  refresh(): void {
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** A duration for a timer, as Node's own check has it: longer ones are cut, with a warning. */
export function checkDuration(value: unknown, argument: string): number {
  const ms = checkNumber(value, argument)
  if (!(ms >= 0) || !Number.isFinite(ms)) {
    const expected = 'a non-negative finite number'
    throw new ServalError('ERR_OUT_OF_RANGE', { argument, expected, received: String(ms) })
  }
  if (ms <= MAX_TIMER_MS) return ms
  process.emitWarning(
    `${ms} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${MAX_TIMER_MS}.`,
    'TimeoutOverflowWarning',
  )
  return MAX_TIMER_MS
}

const MAX_TIMER_MS = 0x7fffffff
