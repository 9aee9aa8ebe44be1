/**
 * A process's packets for those of its user who look on, as they pass: `serval dump` asks at the status socket. While nobody
 * does nothing is copied, and this file is not loaded.
 *
 *   asked:     {"ask":"packets"}
 *   answered:  {"packets":BASE64,"lost":0}      again and again, the first with the header of a capture (wire/pcap.ts)
 *
 * Who reads more slowly than packets come loses some, and is told how many; what is watched never waits.
 */
import type { Socket } from 'node:net'
import { pcapFileHeader } from '../wire/pcap.ts'
import { atExit } from './at-exit.ts'
import { nowMs } from './clock.ts'
import type { PacketTap } from './links/link.ts'
import { packetRecords } from './links/packet-records.ts'

export interface PacketsRequest {
  readonly ask: 'packets'
}

export interface PacketsAnswer {
  /** Records of a capture, in base64. */
  readonly packets: string
  /** Packets that were not shown since the last answer. */
  readonly lost: number
}

/** Records gather for so long, or so many bytes, before they are told. */
const GATHER_MS = 50
const GATHER_BYTES = 1 << 16
/** What may wait for a viewer, as it is told. */
const MAX_WAITING_BYTES = 8 << 20
const CLOCK_ERROR_MS = 2

/** Where a process's packets can be seen. */
export interface PacketSource {
  /** Whether its links carry IP packets as they are, rather than payloads of UDP. */
  readonly isRawIp: boolean
  /** Puts a tap where they pass, or takes it away. */
  setTap(tap: PacketTap | undefined): void
}

export class PacketWatch {
  readonly #source: PacketSource
  readonly #viewers = new Set<Viewer>()
  readonly #tap: PacketTap
  /** What the clock of this process calls 0, in milliseconds since 1970. */
  #clockOrigin = 0

  constructor(source: PacketSource) {
    this.#source = source
    const recordsOf = packetRecords(source.isRawIp)
    this.#tap = {
      show: (buffer, length, from, to, now = nowMs()) => {
        const records = recordsOf(buffer, length, from, to, this.#clockOrigin + now)
        for (const viewer of this.#viewers) viewer.add(records)
      },
      miss: packets => {
        for (const viewer of this.#viewers) viewer.miss(packets)
      },
    }
  }

  /** Tells a connection of all packets from now on, until it closes. What is called at the end tells it the last ones. */
  show(connection: Socket): () => void {
    const viewer = new Viewer(connection)
    this.#clockOrigin = clockOrigin()
    this.#viewers.add(viewer)
    this.#source.setTap(this.#tap)
    // What flows say last, as the process ends, has passed by then.
    const forget = atExit(() => viewer.tell())
    connection.once('close', () => {
      forget()
      this.#viewers.delete(viewer)
      if (this.#viewers.size === 0) this.#source.setTap(undefined)
      viewer.end()
    })
    return () => viewer.tell()
  }
}

/** `timeOrigin` is finer than `Date`, but was right when the process began: since then the system may have slept. */
function clockOrigin(): number {
  const origin = Date.now() - nowMs()
  return Math.abs(origin - performance.timeOrigin) < CLOCK_ERROR_MS ? performance.timeOrigin : origin
}

class Viewer {
  readonly #connection: Socket
  #records: Uint8Array[] = [pcapFileHeader()]
  #bytes = 0
  #lost = 0
  #timer: NodeJS.Timeout | undefined

  constructor(connection: Socket) {
    this.#connection = connection
    this.tell()
  }

  add(records: readonly Uint8Array[]): void {
    if (this.#connection.writableLength > MAX_WAITING_BYTES) return this.miss(records.length)
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += record.length
    }
    if (this.#bytes >= GATHER_BYTES) this.tell()
    else this.#timer ??= setTimeout(() => this.tell(), GATHER_MS).unref()
  }

  miss(packets: number): void {
    this.#lost += packets
    this.#timer ??= setTimeout(() => this.tell(), GATHER_MS).unref()
  }

  tell(): void {
    this.end()
    const answer: PacketsAnswer = {
      packets: Buffer.concat(this.#records).toString('base64'),
      lost: this.#lost,
    }
    this.#records = []
    this.#bytes = 0
    this.#lost = 0
    this.#connection.write(`${JSON.stringify(answer)}\n`)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
