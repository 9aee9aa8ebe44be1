/**
 * Tables for people: columns as wide as what they hold; where the terminal is too narrow the flexible ones give way,
 * then the least important ones are left out, and a last line says which. Not on a terminal nothing is cut, so that scripts see all.
 */

export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** May be cut (with …) down to this many characters. */
  readonly minWidth?: number
  /** Columns with the highest number are left out first; those without one never. */
  readonly dropOrder?: number
}

/** One line a row, below a line of titles, above one that names the columns for which there is no room; no line has trailing spaces. `width` Infinity: nothing is cut. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number,
): string[] {
  const laidOut = columns.map(column => layOut(column, rows))
  const shown = narrow(laidOut, width)
  const lines = [shown.map(({ column, width }) => pad(column.title, width, column.align))]
  for (const index of rows.keys()) {
    lines.push(shown.map(({ column, cells, width }) => pad(cells[index]!, width, column.align)))
  }
  const missing = columns.filter(column => !shown.some(laid => laid.column === column))
  const note = `(--json has also ${missing.map(({ title }) => title).join(', ')})`
  return [
    ...lines.map(cells => cells.join(GAP).trimEnd()),
    ...(missing.length === 0 ? [] : [cut(note, width)]),
  ]
}

/** `text` in `width` characters, its end replaced by … where it is longer. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text
  return width > 0 ? `${text.slice(0, width - 1)}…` : ''
}

const GAP = '  '

interface LaidOut<Row> {
  readonly column: Column<Row>
  readonly cells: readonly string[]
  width: number
}

function layOut<Row>(column: Column<Row>, rows: readonly Row[]): LaidOut<Row> {
  const cells = rows.map(column.text)
  // Of a million rules there are more than a call takes arguments.
  const width = cells.reduce((widest, cell) => Math.max(widest, cell.length), column.title.length)
  return { column, cells, width }
}

function narrow<Row>(columns: readonly LaidOut<Row>[], width: number): readonly LaidOut<Row>[] {
  const excess = totalWidth(columns) - width
  if (excess <= 0) return columns
  const slack = columns.reduce((sum, column) => sum + slackOf(column), 0)
  if (slack < excess) {
    const leastImportant = columns.reduce((a, b) => (dropOrderOf(b) > dropOrderOf(a) ? b : a))
    if (dropOrderOf(leastImportant) > 0) {
      return narrow(
        columns.filter(column => column !== leastImportant),
        width,
      )
    }
  }
  shrink(columns, Math.min(excess, slack))
  return columns
}

/** Takes from whichever flexible column is widest, one character at a time. */
function shrink<Row>(columns: readonly LaidOut<Row>[], characters: number): void {
  for (let i = 0; i < characters; i++) {
    const widest = columns.filter(column => slackOf(column) > 0).reduce((a, b) => (b.width > a.width ? b : a))
    widest.width--
  }
}

function slackOf<Row>({ column, width }: LaidOut<Row>): number {
  return column.minWidth === undefined ? 0 : Math.max(0, width - column.minWidth)
}

function dropOrderOf<Row>({ column }: LaidOut<Row>): number {
  return column.dropOrder ?? 0
}

function totalWidth<Row>(columns: readonly LaidOut<Row>[]): number {
  return columns.reduce((sum, column) => sum + column.width, GAP.length * (columns.length - 1))
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = cut(text, width)
  return align === 'right' ? shown.padStart(width) : shown.padEnd(width)
}
