/**
 * A link of the simulated network: how long packets take through it, and what happens to them there. Everything random
 * comes from the world's one generator. Numbers can be changed while the world runs.
 */
import type { Random } from '../random.ts'

export interface LinkOptions {
  /** One way. */
  delayMs: number
  /** Each packet is late by up to this much; they keep their order. */
  jitterMs: number
  /** Of all packets. */
  loss: number
  /** Losses in a row: the chance that they begin with a packet, and how many there are at most. */
  burst: { readonly begins: number; readonly most: number } | undefined
  /** The chance that a packet is held back for `reorderMs`, so that later ones overtake it. */
  reorder: number
  reorderMs: number
  duplicate: number
  /** The chance that a byte is changed. */
  corrupt: number
  /** Of the corrupted packets, how many the UDP checksum does not find, so that the receiver sees them. */
  escape: number
  /** Where bytes of those are changed: anywhere, or only up to the end of the SAL header, which has a checksum of its own. */
  escapeIn: 'packet' | 'header'
  kbitPerSecond: number
  /** Bytes that wait for their turn where there is a rate; more are dropped. */
  queueBytes: number
  /** The largest IP packet. */
  mtu: number
  /** Nothing comes through. */
  down: boolean
}

const IDEAL: LinkOptions = {
  delayMs: 1,
  jitterMs: 0,
  loss: 0,
  burst: undefined,
  reorder: 0,
  reorderMs: 5,
  duplicate: 0,
  corrupt: 0,
  escape: 0,
  escapeIn: 'packet',
  kbitPerSecond: Number.POSITIVE_INFINITY,
  queueBytes: Number.POSITIVE_INFINITY,
  mtu: 1500,
  down: false,
}

/** What became of one packet on a link: when it comes out, or why it does not. */
export type Fate = number | 'lost' | 'down' | 'full' | 'tooLong'

/** Packets that go the same way queue behind each other. */
interface Pipe {
  freeAt: number
  lastArrivalAt: number
  /** Packets that a burst still takes. */
  burstLeft: number
}

export class Link {
  readonly name: string
  readonly #random: Random
  readonly #pipes = new Map<string, Pipe>()
  #options: LinkOptions

  constructor(name: string, random: Random, options: Partial<LinkOptions>) {
    this.name = name
    this.#random = random
    this.#options = { ...IDEAL, ...options }
  }

  get options(): Readonly<LinkOptions> {
    return this.#options
  }

  set(options: Partial<LinkOptions>): void {
    this.#options = { ...this.#options, ...options }
  }

  /** Faults end; delay and rate stay. */
  heal(): void {
    this.set({ loss: 0, burst: undefined, reorder: 0, duplicate: 0, corrupt: 0, down: false })
  }

  /** Whether packets may come out at another time than `delayMs` after they went in. */
  get isTimed(): boolean {
    return this.#options.kbitPerSecond !== Number.POSITIVE_INFINITY
  }

  /** Takes an IP packet of `bytes` that goes the way `pipeName`. */
  carry(pipeName: string, bytes: number, nowMs: number): Fate {
    const { delayMs, jitterMs, loss, reorder, reorderMs, mtu, down } = this.#options
    const random = this.#random
    if (down) return 'down'
    if (bytes > mtu) return 'tooLong'
    const pipe = this.#pipe(pipeName)
    const leavesAt = this.#queue(pipe, bytes, nowMs)
    if (leavesAt === undefined) return 'full'
    if (this.#isInBurst(pipe) || (loss > 0 && random.chance(loss))) return 'lost'
    let arrivesAt = leavesAt + delayMs
    if (jitterMs > 0) arrivesAt += jitterMs * random.fraction()
    if (reorder > 0 && random.chance(reorder)) return arrivesAt + reorderMs * random.fraction()
    pipe.lastArrivalAt = Math.max(pipe.lastArrivalAt, arrivesAt)
    return pipe.lastArrivalAt
  }

  duplicates(): boolean {
    return this.#options.duplicate > 0 && this.#random.chance(this.#options.duplicate)
  }

  corrupts(): boolean {
    return this.#options.corrupt > 0 && this.#random.chance(this.#options.corrupt)
  }

  /** Whether a packet that was corrupted is received all the same. */
  escapes(): boolean {
    return this.#options.escape > 0 && this.#random.chance(this.#options.escape)
  }

  #pipe(name: string): Pipe {
    let pipe = this.#pipes.get(name)
    if (pipe === undefined) {
      pipe = { freeAt: 0, lastArrivalAt: 0, burstLeft: 0 }
      this.#pipes.set(name, pipe)
    }
    return pipe
  }

  /** When the last bit has left; undefined if the queue is full. */
  #queue(pipe: Pipe, bytes: number, nowMs: number): number | undefined {
    const { kbitPerSecond, queueBytes } = this.#options
    if (kbitPerSecond === Number.POSITIVE_INFINITY) return nowMs
    const waitingBytes = (Math.max(0, pipe.freeAt - nowMs) * kbitPerSecond) / 8
    if (waitingBytes + bytes > queueBytes) return undefined
    pipe.freeAt = Math.max(nowMs, pipe.freeAt) + (8 * bytes) / kbitPerSecond
    return pipe.freeAt
  }

  #isInBurst(pipe: Pipe): boolean {
    const { burst } = this.#options
    if (burst === undefined) return false
    if (pipe.burstLeft > 0) pipe.burstLeft--
    else if (this.#random.chance(burst.begins)) pipe.burstLeft = this.#random.below(burst.most)
    else return false
    return true
  }
}
