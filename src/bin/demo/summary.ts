/** What came of the play: for people, and as the JSON of demo.schema.json. */
import { count, formatBytes, formatMs } from '../units.ts'
import type { Play } from './play.ts'
import type { LogEntry, Move, Resumption } from './scene.ts'

export interface DemoSummary {
  /** Every hash matched and all that the script asks for has happened. */
  readonly ok: boolean
  readonly seconds: number
  readonly service: string
  readonly downloads: number
  readonly bytes: number
  /** Downloads whose SHA-256 was wrong. */
  readonly mismatches: number
  readonly moves: readonly Move[]
  readonly resumed: readonly Resumption[]
  /** Connections that broke or could not be made, that of the killed replica included. */
  readonly interruptions: number
  readonly errors: readonly string[]
  readonly replicas: readonly {
    readonly name: string
    readonly pid: number
    readonly fate: 'left' | 'killed'
    readonly downloads: number
    readonly bytes: number
  }[]
  readonly clients: readonly { readonly name: string; readonly address: string; readonly downloads: number }[]
  /** All that were started; none is left. */
  readonly processes: readonly { readonly name: string; readonly pid: number }[]
  readonly events: readonly LogEntry[]
}

export function summarize(play: Play, service: string): DemoSummary {
  const { scene, seconds, processes } = play
  return {
    ok: scene.errors.length === 0 && scene.downloads > 0,
    seconds,
    service,
    downloads: scene.downloads,
    bytes: scene.bytes,
    mismatches: scene.mismatches,
    moves: scene.moves,
    resumed: scene.resumptions,
    interruptions: scene.interruptions,
    errors: scene.errors,
    replicas: scene.replicas.map(({ name, pid, state, downloads, bytes }) => ({
      name,
      pid,
      fate: state === 'killed' ? 'killed' : 'left',
      downloads,
      bytes,
    })),
    clients: scene.clients.map(({ name, address, downloads }) => ({ name, address, downloads })),
    processes,
    events: scene.log,
  }
}

/** A few lines, at most 80 characters each where errors are short. */
export function describe(summary: DemoSummary): string[] {
  const { downloads, bytes, mismatches, moves, resumed, errors, clients, replicas } = summary
  const hashes = mismatches === 0 ? 'every SHA-256 matched' : `${mismatches} WRONG by their SHA-256`
  const slowest = Math.max(...moves.map(({ confirmedMs }) => confirmedMs))
  const confirmed = moves.length === 0 ? '' : ` (confirmed within ${formatMs(slowest)})`
  const gap = Math.max(...resumed.map(({ gapMs }) => gapMs))
  const gone = resumed.length === 0 ? '' : ` (gap ${formatMs(gap)} at most)`
  const killed = replicas.filter(({ fate }) => fate === 'killed').length
  return [
    `${count(clients.length, 'client')}: ${count(downloads, 'download')}, ${formatBytes(bytes)}, ${hashes}`,
    `${count(moves.length, 'move')} in mid-download${confirmed}`,
    `${count(killed, 'replica')} of ${replicas.length} killed, ${count(resumed.length, 'download')} resumed elsewhere${gone}`,
    errors.length === 0 ? 'no errors' : `${count(errors.length, 'error')}: ${errors.join('; ')}`,
  ]
}
