/** What `serval services` and `serval flows` have in common: they ask, and print a table or JSON, once or every second. */
import { setTimeout as delay } from 'node:timers/promises'
import { toldToStop } from './lifetime.ts'
import { printJson, printLine, printNote } from './output.ts'
import { type Column, formatTable } from './table.ts'
import { LiveBlock, terminalOf } from './terminal.ts'

export interface Listing<Row> {
  readonly rows: readonly Row[]
  readonly columns: readonly Column<Row>[]
  /** As under `--json`. */
  readonly json: object
  /** Said instead of an empty table. */
  readonly ifEmpty: string
}

export interface ListingOptions {
  readonly json?: boolean
  readonly watch?: boolean
}

const WATCH_MS = 1000

export async function showListing<Row>(
  take: () => Promise<Listing<Row>>,
  { json = false, watch = false }: ListingOptions,
): Promise<void> {
  if (!watch) return print(await take(), json)
  const terminal = terminalOf(process.stdout)
  const ending = new AbortController()
  void toldToStop().then(() => ending.abort())
  const block = new LiveBlock(terminal)
  while (!ending.signal.aborted) {
    const listing = await take()
    if (json || !terminal.isInteractive) print(listing, json)
    else block.draw(lines(listing, terminal.columns).slice(0, terminal.rows - 1))
    await delay(WATCH_MS, undefined, { signal: ending.signal }).catch(() => undefined)
  }
  if (terminal.isInteractive) block.end()
}

function print<Row>(listing: Listing<Row>, isJson: boolean): void {
  if (isJson) return printJson(listing.json)
  if (listing.rows.length === 0) return printNote(listing.ifEmpty)
  for (const line of lines(listing, terminalOf(process.stdout).columns)) printLine(line)
}

function lines<Row>({ rows, columns, ifEmpty }: Listing<Row>, width: number): string[] {
  return rows.length === 0 ? [ifEmpty] : formatTable(rows, columns, width)
}
