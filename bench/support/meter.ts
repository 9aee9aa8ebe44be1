/**
 * The receiving end of every row of `bulk`. A measurement begins with the next bytes that come: those of its start are
 * compared but not counted, then half of the time each byte is compared with what was sent, and the other half bytes are
 * only counted. Before and after it all bytes are compared.
 */
import { isRightAt } from './pattern.ts'

/** Until windows and queues are those of a transfer that goes on. Of a short time, a third. */
const START_MS = 200

export class Meter {
  readonly #verifiedShare: number
  #position = 0
  #measurement: Measurement | undefined

  /** `verifiedShare`: of what is counted, 0 to 1. */
  constructor(verifiedShare = 0.5) {
    this.#verifiedShare = verifiedShare
  }

  /** Of the stream, the byte that comes next. */
  get position(): number {
    return this.#position
  }

  /** Whether the first bytes of the measurement have come. */
  get isBegun(): boolean {
    return this.#measurement?.startedAt !== undefined
  }

  begin(seconds: number): void {
    const endMs = 1000 * seconds
    const startMs = Math.min(START_MS, endMs / 3)
    const verifiedMs = this.#verifiedShare === 1 ? endMs : startMs + this.#verifiedShare * (endMs - startMs)
    this.#measurement = { startMs, verifiedMs, endMs, verified: nothing(), unverified: nothing() }
  }

  /** The next bytes of the stream; those of a datagram say where they belong. Throws if they are not what was sent. */
  take(chunk: Uint8Array, nowMs: number, position: number = this.#position): void {
    const phase = this.#phaseAt(nowMs)
    const isCompared = phase === undefined || phase === this.#measurement?.verified
    if (isCompared && !isRightAt(position, chunk)) {
      throw new Error(`what came is not what was sent, from ${position} on`)
    }
    if (phase !== undefined) count(phase, chunk.length, nowMs)
    this.#position = position + chunk.length
  }

  /** Of the last measurement, Gbit/s. */
  get figures(): { readonly gbit: number; readonly unverified?: number } {
    const { verified = nothing(), unverified = nothing() } = this.#measurement ?? {}
    const gbit = gbitOf(verified)
    return unverified.toAt === 0 ? { gbit } : { gbit, unverified: gbitOf(unverified) }
  }

  /** What bytes that come now are counted in. */
  #phaseAt(nowMs: number): Phase | undefined {
    const measurement = this.#measurement
    if (measurement === undefined) return undefined
    measurement.startedAt ??= nowMs
    const sinceMs = nowMs - measurement.startedAt
    const { startMs, verifiedMs, endMs, verified, unverified } = measurement
    if (sinceMs < startMs || sinceMs >= endMs) return undefined
    return sinceMs < verifiedMs ? verified : unverified
  }
}

interface Measurement {
  /** From its first bytes on. */
  readonly startMs: number
  readonly verifiedMs: number
  readonly endMs: number
  readonly verified: Phase
  readonly unverified: Phase
  startedAt?: number
}

interface Phase {
  bytes: number
  fromAt: number
  toAt: number
}

function nothing(): Phase {
  return { bytes: 0, fromAt: 0, toAt: 0 }
}

/** The first chunk opens the interval, and is not in it. */
function count(phase: Phase, bytes: number, nowMs: number): void {
  if (phase.fromAt === 0) phase.fromAt = nowMs
  else phase.bytes += bytes
  phase.toAt = nowMs
}

function gbitOf({ bytes, fromAt, toAt }: Phase): number {
  return toAt > fromAt ? (8 * bytes) / (toAt - fromAt) / 1e6 : 0
}
