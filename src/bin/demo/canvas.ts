/** A sheet of characters to draw on, and lines between places on it that may cross. */
import type { Style, Terminal } from '../terminal.ts'

export class Canvas {
  readonly #width: number
  readonly #cells: Cell[][]

  constructor(width: number, height: number) {
    this.#width = width
    this.#cells = Array.from({ length: height }, () => Array.from({ length: width }, () => BLANK))
  }

  /** Writes from a place to the right; what does not fit on the sheet is left out. */
  text(x: number, y: number, text: string, style?: Style): void {
    const row = this.#cells[y]!
    for (const [i, character] of [...text].entries()) {
      if (x + i < this.#width) row[x + i] = { character, style }
    }
  }

  /** The same, ending at (and with) column `x`. */
  textBefore(x: number, y: number, text: string, style?: Style): void {
    this.text(x + 1 - [...text].length, y, text, style)
  }

  /** A frame with round corners, its border included in the size. */
  box(x: number, y: number, width: number, height: number, style?: Style): void {
    const edge = '─'.repeat(width - 2)
    this.text(x, y, `╭${edge}╮`, style)
    for (let row = y + 1; row < y + height - 1; row++) {
      this.text(x, row, '│', style)
      this.text(x + width - 1, row, '│', style)
    }
    this.text(x, y + height - 1, `╰${edge}╯`, style)
  }

  /**
   * A thick line from (x, y) to the right, at column `turn` up or down, and on to the right up to (endX, endY). Where it
   * meets a line of the same `net` they join; where it meets another one the horizontal line lies on top.
   */
  wire(net: string, from: Place, turn: number, to: Place, style?: Style): void {
    for (let x = from.x; x <= turn; x++) this.#lay(net, x, from.y, x === turn ? WEST : EAST | WEST, style)
    if (from.y !== to.y) {
      const [top, bottom] = from.y < to.y ? [from.y, to.y] : [to.y, from.y]
      for (let y = top; y <= bottom; y++) {
        const ends = (y > top ? NORTH : 0) | (y < bottom ? SOUTH : 0)
        this.#lay(net, turn, y, ends, style)
      }
    }
    for (let x = turn; x <= to.x; x++) this.#lay(net, x, to.y, x === turn ? EAST : EAST | WEST, style)
  }

  /** One text a row, trailing blanks left out. */
  lines(paint: Terminal['paint']): string[] {
    return this.#cells.map(row => {
      let end = row.length
      while (end > 0 && row[end - 1] === BLANK) end--
      return runs(row.slice(0, end))
        .map(({ text, style }) => (style === undefined ? text : paint(style, text)))
        .join('')
    })
  }

  #lay(net: string, x: number, y: number, ends: number, style?: Style): void {
    const row = this.#cells[y]!
    const there = row[x]!
    if (there.net === undefined) row[x] = wireCell(net, ends, style)
    else if (there.net === net) row[x] = wireCell(net, ends | (there.ends ?? 0), there.style)
    else if ((ends & (EAST | WEST)) !== 0) row[x] = wireCell(net, ends, style)
  }
}

export interface Place {
  readonly x: number
  readonly y: number
}

interface Cell {
  readonly character: string
  readonly style?: Style | undefined
  /** Of a line: which one, and where it goes from here. */
  readonly net?: string
  readonly ends?: number
}

const BLANK: Cell = { character: ' ' }
const NORTH = 1
const EAST = 2
const SOUTH = 4
const WEST = 8
/** By the ends that meet in a cell. */
const WIRES = ' ╹╺┗╻┃┏┣╸┛━┻┓┫┳╋'

function wireCell(net: string, ends: number, style?: Style): Cell {
  return { character: WIRES[ends]!, style, net, ends }
}

/** Neighbours of one style together, so that it is switched on and off once. */
function runs(cells: readonly Cell[]): { text: string; style: Style | undefined }[] {
  const found: { text: string; style: Style | undefined }[] = []
  for (const { character, style } of cells) {
    const last = found.at(-1)
    if (last !== undefined && last.style === style) last.text += character
    else found.push({ text: character, style })
  }
  return found
}
