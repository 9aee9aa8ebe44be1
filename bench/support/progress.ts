/** What is being measured now: one line, drawn over on a terminal; elsewhere a line when a benchmark begins. */
export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #title: string
  #isShown = false

  constructor(stream: NodeJS.WriteStream, title: string) {
    this.#stream = stream
    this.#title = title
  }

  show(what: string): void {
    if (this.#stream.isTTY) this.#stream.write(`${START_OF_LINE}${this.#title}: ${what}${CLEAR_REST}`)
    else if (!this.#isShown) this.#stream.write(`${this.#title} ...\n`)
    this.#isShown = true
  }

  /** The line is gone. */
  end(): void {
    if (this.#stream.isTTY && this.#isShown) this.#stream.write(`${START_OF_LINE}${CLEAR_REST}`)
    this.#isShown = false
  }
}

const START_OF_LINE = '\r'
const CLEAR_REST = '\x1b[K'
