/**
 * The scene as a picture of 80 x 23 characters: clients on the left, replicas on the right, a line from each client to
 * the replica that serves it now; below it what happened, and the sums.
 */
import { cut } from '../table.ts'
import type { Style, Terminal } from '../terminal.ts'
import { count, formatBytes, formatBytesPerSecond } from '../units.ts'
import { Canvas } from './canvas.ts'
import type { ClientView, LogKind, ReplicaView, Scene } from './scene.ts'

export const PICTURE_COLUMNS = 80
export const PICTURE_ROWS = 23

/** The most that there is room for, of clients and of replicas. */
export const PICTURE_ACTORS = 4

export interface Moment {
  readonly nowMs: number
  readonly totalMs: number
  /** What the play does at the moment. */
  readonly title: string
  /** Of the processes that have no box. */
  readonly footnote: string
}

export function drawPicture(scene: Scene, moment: Moment, paint: Terminal['paint']): string[] {
  const canvas = new Canvas(PICTURE_COLUMNS, PICTURE_ROWS)
  drawTitle(canvas, scene, moment)
  // Wires first: the boxes' ends lie over theirs.
  for (const [index, client] of scene.clients.entries()) drawWire(canvas, scene, index, client)
  for (const [index, client] of scene.clients.entries()) drawClient(canvas, index, client, moment.nowMs)
  for (const [index, replica] of scene.replicas.entries()) drawReplica(canvas, index, replica, moment.nowMs)
  canvas.text(1, FOOTNOTE_Y, moment.footnote, 'dim')
  drawLog(canvas, scene)
  drawSums(canvas, scene)
  return canvas.lines(paint)
}

const CLIENT_STYLES: readonly Style[] = ['cyan', 'yellow', 'green', 'magenta']
const BOX_COLUMNS = 33
const BOX_ROWS = 3
const CLIENTS_X = 1
const CLIENTS_Y = 2
const REPLICAS_X = PICTURE_COLUMNS - 1 - BOX_COLUMNS
/** A row lower than the clients, so that no line's last stretch lies on another's first. */
const REPLICAS_Y = CLIENTS_Y + 1
const FOOTNOTE_Y = REPLICAS_Y + PICTURE_ACTORS * BOX_ROWS
const LOG_Y = FOOTNOTE_Y + 2
const SUMS_Y = PICTURE_ROWS - 1
const LOG_ROWS = SUMS_Y - LOG_Y - 1
const BAR_COLUMNS = 18

function drawTitle(canvas: Canvas, scene: Scene, { nowMs, totalMs, title }: Moment): void {
  const passed = Math.min(nowMs, totalMs)
  canvas.text(1, 0, `serval demo · ${title}`, 'bold')
  const rate = scene.clients.reduce((sum, client) => sum + client.meter.rate(nowMs), 0)
  const seconds = `${Math.floor(passed / 1000)} of ${Math.round(totalMs / 1000)} s`
  canvas.textBefore(PICTURE_COLUMNS - 2, 0, `${formatBytesPerSecond(rate)} · ${seconds}`)
  const columns = PICTURE_COLUMNS - 2
  const done = Math.round((columns * passed) / totalMs)
  canvas.text(1, 1, '━'.repeat(done), 'blue')
  canvas.text(1 + done, 1, '─'.repeat(columns - done), 'dim')
}

function drawWire(canvas: Canvas, scene: Scene, index: number, client: ClientView): void {
  const target = scene.replicas.findIndex(replica => replica.name === client.replica)
  if (target < 0) return
  const from = { x: CLIENTS_X + BOX_COLUMNS, y: CLIENTS_Y + index * BOX_ROWS + 1 }
  const to = { x: REPLICAS_X - 1, y: REPLICAS_Y + target * BOX_ROWS + 1 }
  // The last client turns first: so the lines to one replica nest.
  const turn = from.x + 2 + 2 * (PICTURE_ACTORS - 1 - index)
  canvas.wire(client.replica!, from, turn, to, CLIENT_STYLES[index])
}

function drawClient(canvas: Canvas, index: number, client: ClientView, nowMs: number): void {
  const x = CLIENTS_X
  const y = CLIENTS_Y + index * BOX_ROWS
  const end = x + BOX_COLUMNS - 1
  const style = CLIENT_STYLES[index]
  canvas.box(x, y, BOX_COLUMNS, BOX_ROWS, style)
  canvas.text(x + 2, y, ` ${client.name} `, style)
  if (client.hasMoved) canvas.textBefore(end - 2, y, ` → ${client.address} `, 'bold')
  else canvas.textBefore(end - 2, y, ` ${client.address} `, style)
  canvas.text(x + 2, y + 1, bar(client.fileBytes > 0 ? client.atBytes / client.fileBytes : 0), style)
  canvas.textBefore(end - 2, y + 1, formatBytesPerSecond(client.meter.rate(nowMs)))
  const facts = [`✓ ${client.downloads}`]
  if (client.moves > 0) facts.push(count(client.moves, 'move'))
  if (client.resumed > 0) facts.push(`${client.resumed} resumed`)
  canvas.text(x + 2, y + 2, ` ${facts.join(' · ')} `, 'dim')
  if (client.replica !== undefined) canvas.text(end, y + 1, '◀', style)
}

function drawReplica(canvas: Canvas, index: number, replica: ReplicaView, nowMs: number): void {
  const x = REPLICAS_X
  const y = REPLICAS_Y + index * BOX_ROWS
  const end = x + BOX_COLUMNS - 1
  const isUp = replica.state === 'serving'
  const style = isUp ? undefined : replica.state === 'killed' ? 'red' : 'dim'
  canvas.box(x, y, BOX_COLUMNS, BOX_ROWS, style)
  canvas.text(x + 2, y, ` ${replica.name} `, isUp ? 'bold' : style)
  canvas.textBefore(end - 2, y, ` pid ${replica.pid} `, 'dim')
  if (isUp) {
    const rate = replica.meter.rate(nowMs)
    canvas.text(x + 2, y + 1, formatBytesPerSecond(rate))
    canvas.textBefore(end - 2, y + 1, count(replica.downloads, 'file'))
  } else {
    canvas.text(x + 2, y + 1, replica.state === 'killed' ? 'killed (SIGKILL)' : 'left', style)
  }
  canvas.text(x + 2, y + 2, ` ${formatBytes(replica.bytes)} sent `, 'dim')
}

const LOG_STYLES: Record<LogKind, Style> = { step: 'bold', move: 'cyan', resume: 'green', trouble: 'red' }

function drawLog(canvas: Canvas, scene: Scene): void {
  const recent = scene.log.slice(-LOG_ROWS)
  for (const [row, { atMs, kind, text }] of recent.entries()) {
    canvas.text(1, LOG_Y + row, `${(atMs / 1000).toFixed(1).padStart(5)} s`, 'dim')
    canvas.text(10, LOG_Y + row, cut(text, PICTURE_COLUMNS - 11), LOG_STYLES[kind])
  }
}

function drawSums(canvas: Canvas, scene: Scene): void {
  const sums = [
    count(scene.downloads, 'file'),
    formatBytes(scene.bytes),
    scene.mismatches === 0 ? 'all SHA-256 right' : `${scene.mismatches} SHA-256 wrong`,
    count(scene.moves.length, 'move'),
    `${scene.resumptions.length} resumed`,
    count(scene.errors.length, 'error'),
  ]
  canvas.text(1, SUMS_Y, sums.join(' · '), scene.errors.length > 0 ? 'red' : 'green')
}

/** ████████▌───── with eighths of a character. */
function bar(fraction: number): string {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * BAR_COLUMNS * 8)
  const full = '█'.repeat(Math.floor(eighths / 8))
  const part = eighths % 8 === 0 ? '' : ' ▏▎▍▌▋▊▉'[eighths % 8]!
  return (full + part).padEnd(BAR_COLUMNS, '·')
}
