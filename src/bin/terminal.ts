/** Where output goes: whether a person watches, how much fits, and colours where they are wanted. */
import { styleText } from 'node:util'
import { cut } from './table.ts'

export type Style = Parameters<typeof styleText>[0]

export interface Terminal {
  /** False: a file or a pipe, which gets plain lines. */
  readonly isInteractive: boolean
  /** Infinity where nothing is cut. */
  readonly columns: number
  readonly rows: number
  /** The text as it is where colours are not wanted (NO_COLOR, a dumb terminal, a file). */
  paint(style: Style, text: string): string
  write(text: string): void
}

/** What a stream of the process is now. Node reads NO_COLOR, FORCE_COLOR and TERM in `hasColors`. */
export function terminalOf(stream: NodeJS.WriteStream): Terminal {
  const isInteractive = stream.isTTY === true && process.env.TERM !== 'dumb'
  const hasColors = isInteractive && stream.hasColors()
  return {
    isInteractive,
    // 0: nobody has said.
    columns: isInteractive ? stream.columns || UNKNOWN_COLUMNS : Number.POSITIVE_INFINITY,
    rows: isInteractive ? stream.rows : Number.POSITIVE_INFINITY,
    paint: (style, text) => (hasColors ? styleText(style, text) : text),
    write: text => void stream.write(text),
  }
}

/**
 * A block of lines at the end of the output that is drawn again and again in its place. Lines must fit the terminal's
 * width. The cursor is hidden until `end`.
 */
export class LiveBlock {
  readonly #terminal: Terminal
  #height = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  draw(lines: readonly string[]): void {
    const body = lines.map(line => `${line}${CLEAR_REST_OF_LINE}\n`).join('')
    this.#terminal.write(`${BEGIN}${HIDE_CURSOR}${this.#back()}${body}${CLEAR_BELOW}${END}`)
    this.#height = lines.length
  }

  /** Puts lines above the block, where they stay. The block is gone until it is drawn again. */
  above(lines: readonly string[]): void {
    this.#terminal.write(`${this.#back()}${CLEAR_BELOW}${lines.map(line => `${line}\n`).join('')}`)
    this.#height = 0
  }

  /** The block stays as it was drawn last; what is written next comes below it. */
  end(): void {
    this.#terminal.write(SHOW_CURSOR)
    this.#height = 0
  }

  #back(): string {
    return this.#height === 0 ? '\r' : `\x1b[${this.#height}F`
  }
}

/** How far long work is, for a person who watches: nothing is left of it, and files and pipes get nothing. */
export class ProgressLine {
  readonly #terminal: Terminal

  constructor(stream: NodeJS.WriteStream) {
    this.#terminal = terminalOf(stream)
  }

  /** `text` in place of what it showed before; '' clears it. The cursor stays, as whoever is interrupted cannot bring it back. */
  show(text: string): void {
    if (!this.#terminal.isInteractive) return
    this.#terminal.write(`\r${cut(text, this.#terminal.columns - 1)}${CLEAR_REST_OF_LINE}`)
  }
}

const UNKNOWN_COLUMNS = 80

/** Synchronized output: a terminal that knows it shows the frame as a whole, others ignore it. */
const BEGIN = '\x1b[?2026h'
const END = '\x1b[?2026l'
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_REST_OF_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'
