/** Lines of figures that come one after another; on a terminal a last one that is drawn over says how it goes right now. */
import { LiveBlock, type Terminal } from '../terminal.ts'

export interface Running {
  /** What the last second came to. Called each second, also where nobody reads it. */
  readonly line: () => string
  /** How it goes. */
  readonly now: () => string
}

export class RunningLines {
  readonly #terminal: Terminal | undefined
  readonly #live: LiveBlock | undefined
  readonly #timers: NodeJS.Timeout[] = []

  /** undefined: nothing is printed. */
  constructor(terminal: Terminal | undefined) {
    this.#terminal = terminal
    this.#live = terminal?.isInteractive ? new LiveBlock(terminal) : undefined
  }

  /** A line that stays. */
  print(line: string): void {
    if (this.#live === undefined) this.#terminal?.write(`${line}\n`)
    else this.#live.above([line])
  }

  /** From now on a line each second, and on a terminal how it goes several times a second. */
  run({ line, now }: Running): void {
    const draw = () => this.#live?.draw([now().slice(0, this.#terminal!.columns)])
    this.#timers.push(
      setInterval(() => {
        this.print(line())
        draw()
      }, LINE_MS),
    )
    if (this.#live !== undefined) this.#timers.push(setInterval(draw, DRAW_MS))
  }

  /** No more lines by themselves, and nothing is drawn over any more. */
  end(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    this.#live?.draw([])
    this.#live?.end()
  }
}

const LINE_MS = 1000
const DRAW_MS = 200
