/**
 * What the demo knows of its actors, from what they report: the picture, the log lines and the summary are made of it.
 * No processes and no clock here; instants (`atMs`) count from the beginning of the play.
 */
import { formatBytes, formatMs } from '../units.ts'
import type { ClientReport } from './messages.ts'
import { RateMeter } from './rate-meter.ts'

export interface ClientView {
  readonly name: string
  /** Where it is now. */
  address: string
  /** Since the download under way began. */
  hasMoved: boolean
  /** Who serves it now. */
  replica: string | undefined
  file: string
  fileBytes: number
  atBytes: number
  downloads: number
  moves: number
  resumed: number
  readonly meter: RateMeter
}

export interface ReplicaView {
  readonly name: string
  readonly pid: number
  state: 'serving' | 'killed' | 'left'
  /** What came to clients from it. */
  bytes: number
  downloads: number
  readonly meter: RateMeter
}

export interface LogEntry {
  readonly atMs: number
  readonly kind: LogKind
  readonly text: string
}

/** step: the script's own doing. */
export type LogKind = 'step' | 'move' | 'resume' | 'trouble'

export interface Move {
  readonly client: string
  readonly from: string
  readonly to: string
  readonly atBytes: number
  readonly confirmedMs: number
}

export interface Resumption {
  readonly client: string
  readonly from: string
  readonly to: string
  readonly atBytes: number
  readonly gapMs: number
}

export class Scene {
  readonly clients: ClientView[] = []
  readonly replicas: ReplicaView[] = []
  readonly log: LogEntry[] = []
  readonly moves: Move[] = []
  readonly resumptions: Resumption[] = []
  /** What should not have happened; a good play has none. */
  readonly errors: string[] = []
  bytes = 0
  downloads = 0
  mismatches = 0
  /** Connections that broke or could not be made, the expected ones included. */
  interruptions = 0

  addClient(name: string, address: string): ClientView {
    const client: ClientView = {
      name,
      address,
      hasMoved: false,
      replica: undefined,
      file: '',
      fileBytes: 0,
      atBytes: 0,
      downloads: 0,
      moves: 0,
      resumed: 0,
      meter: new RateMeter(),
    }
    this.clients.push(client)
    return client
  }

  addReplica(name: string, pid: number): ReplicaView {
    const meter = new RateMeter()
    const replica: ReplicaView = { name, pid, state: 'serving', bytes: 0, downloads: 0, meter }
    this.replicas.push(replica)
    return replica
  }

  replica(name: string): ReplicaView | undefined {
    return this.replicas.find(replica => replica.name === name)
  }

  servedBy(replica: string): ClientView[] {
    return this.clients.filter(client => client.replica === replica)
  }

  /** Something for people to read. */
  note(atMs: number, kind: LogKind, text: string): void {
    this.log.push({ atMs, kind, text })
  }

  fail(atMs: number, text: string): void {
    this.errors.push(text)
    this.note(atMs, 'trouble', text)
  }

  handle(client: ClientView, report: ClientReport, atMs: number): void {
    switch (report.type) {
      case 'begins':
        client.file = report.file
        client.fileBytes = report.bytes
        client.atBytes = 0
        client.replica = undefined
        client.hasMoved = false
        return
      case 'served':
        client.replica = report.replica
        client.address = report.address
        return
      case 'progress':
        return this.#progress(client, report.atBytes, atMs)
      case 'interrupted':
        this.#progress(client, report.atBytes, atMs)
        this.interruptions++
        if (client.replica === undefined || this.replica(client.replica)?.state === 'serving') {
          this.note(atMs, 'trouble', `${client.name}: ${report.message}; it tries again`)
        }
        client.replica = undefined
        return
      case 'resumed': {
        const { from, to, atBytes, gapMs } = report
        this.resumptions.push({ client: client.name, from, to, atBytes, gapMs })
        client.resumed++
        const where = `${from} at ${formatBytes(atBytes)}`
        this.note(atMs, 'resume', `${client.name} lost ${where}, goes on at ${to} in ${formatMs(gapMs)}`)
        return
      }
      case 'moved': {
        const { from, to, atBytes, confirmedMs } = report
        this.moves.push({ client: client.name, from, to, atBytes, confirmedMs })
        client.address = to
        client.hasMoved = true
        client.moves++
        const where = `${from} → ${to} at ${formatBytes(atBytes)}`
        this.note(atMs, 'move', `${client.name} moved ${where}, done in ${formatMs(confirmedMs)}`)
        return
      }
      case 'completed':
        return this.#completed(client, report.isIntact, report.sha256, atMs)
      case 'failed':
        client.replica = undefined
        return this.fail(atMs, `${client.name}: ${report.message}`)
      case 'finished':
        client.replica = undefined
        return
    }
  }

  #progress(client: ClientView, atBytes: number, atMs: number): void {
    const bytes = atBytes - client.atBytes
    client.atBytes = atBytes
    client.meter.add(bytes, atMs)
    this.bytes += bytes
    const replica = client.replica === undefined ? undefined : this.replica(client.replica)
    if (replica === undefined) return
    replica.bytes += bytes
    replica.meter.add(bytes, atMs)
  }

  #completed(client: ClientView, isIntact: boolean, sha256: string, atMs: number): void {
    this.#progress(client, client.fileBytes, atMs)
    this.downloads++
    client.downloads++
    const replica = client.replica === undefined ? undefined : this.replica(client.replica)
    if (replica !== undefined) replica.downloads++
    if (isIntact) return
    this.mismatches++
    this.fail(atMs, `${client.name} got ${client.file} wrong: its SHA-256 is ${sha256}`)
  }
}
