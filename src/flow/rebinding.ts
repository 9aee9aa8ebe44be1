/**
 * A peer whose address has changed without its knowing, as when a NAT has forgotten it: its packets come from an address
 * that it has not proven, and it will never send an RSYN. As RFC 9000 section 9.3.3 has it, both that address and the one
 * in use are asked, each by a CHALLENGE of its own under TAG. The flow goes on at the new address only if that answers and
 * the old one does not: whoever copies packets from elsewhere moves nothing while the peer's own address lives.
 */
import type { Endpoint } from '../wire/endpoint.ts'
import type { Outbox } from './outbox.ts'
import type { Local, Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import { sameBytes } from './setup.ts'
import type { FlowTimers } from './timers.ts'

/** What this needs of its flow. */
export interface RebindingHost {
  readonly outbox: Outbox
  readonly timers: FlowTimers
  readonly paths: PathSet
  randomBytes(n: number): Uint8Array
  /** Whether the peer's address may change now: neither end moves, and the flow is set up. */
  mayRebind(): boolean
  /** The peer is at `path` now. */
  rebound(path: Path, nowMs: number): void
  count(counter: string): void
}

/** Both addresses are asked so often, a probe time-out apart; after the last the answers count. */
const QUESTIONS = 3
/**
 * Where nobody has answered, the next round takes twice the time: the way or the peer may have become slower than is known. A
 * question waits no longer than this for that, a probe time-out where nothing is known (RFC 9000, sections 8.2.4 and 9.4).
 */
const MAX_PATIENCE_MS = 1000

interface Suspicion {
  readonly candidate: Path
  readonly current: Path
  readonly currentChallenge: Uint8Array
  readonly askedAt: number
  questions: number
  isAnswered: boolean
}

export class Rebinding {
  readonly #host: RebindingHost
  #suspicion: Suspicion | undefined
  /** Rounds in a row in which nobody has answered. */
  #unanswered = 0

  constructor(host: RebindingHost) {
    this.#host = host
  }

  /** `bytes` bytes with the peer's flowIDs came to `local` from `remote`, which is not proven. */
  handleUnproven(local: Local, remote: Endpoint, bytes: number, nowMs: number): void {
    const { paths } = this.#host
    const asked = this.#suspicion?.candidate
    if (asked?.joins(local.id, remote)) asked.credit.receivedBytes += bytes
    const current = paths.active
    if (asked || current?.local !== local || !this.#host.mayRebind()) return
    const candidate = paths.open(local, remote, { receivedBytes: bytes, sentBytes: 0 })
    candidate.challenge = this.#host.randomBytes(8)
    const currentChallenge = this.#host.randomBytes(8)
    const suspicion = {
      candidate,
      current,
      currentChallenge,
      askedAt: nowMs,
      questions: 0,
      isAnswered: false,
    }
    this.#suspicion = suspicion
    this.#ask(suspicion, nowMs)
  }

  /** A tagged echo came from `remote` to `localId`; returns whether it answered one of the two. */
  handleEcho(echo: Uint8Array, localId: number, remote: Endpoint, nowMs: number): boolean {
    const suspicion = this.#suspicion
    if (suspicion === undefined) return false
    const { candidate, currentChallenge } = suspicion
    if (sameBytes(echo, currentChallenge)) {
      this.#host.count('rebindingRefused')
      this.#unanswered = 0
      this.#forget()
      return true
    }
    const answers = candidate.joins(localId, remote) && sameBytes(echo, candidate.challenge!)
    if (answers && !suspicion.isAnswered) {
      suspicion.isAnswered = true
      candidate.proven = true
      if (suspicion.questions === 1) candidate.transport.rtt.sample(nowMs - suspicion.askedAt)
    }
    return answers
  }

  /** The timer `rebinding`. */
  handleDue(nowMs: number): void {
    const suspicion = this.#suspicion
    if (suspicion === undefined) return
    const { candidate, current, isAnswered } = suspicion
    if (current !== this.#host.paths.active || !this.#host.mayRebind()) return this.#forget()
    if (suspicion.questions < QUESTIONS) return this.#ask(suspicion, nowMs)
    this.#forget()
    this.#unanswered = isAnswered ? 0 : this.#unanswered + 1
    if (isAnswered) this.#host.rebound(candidate, nowMs)
  }

  #ask(suspicion: Suspicion, nowMs: number): void {
    const { outbox, timers } = this.#host
    const { candidate, current, currentChallenge, isAnswered } = suspicion
    suspicion.questions++
    outbox.put({ kind: 'PROBE', path: current, challenge: currentChallenge })
    if (!isAnswered) outbox.put({ kind: 'PROBE', path: candidate, challenge: candidate.challenge! })
    const { ptoMs } = current.transport.rtt
    timers.arm('rebinding', nowMs + Math.max(ptoMs, Math.min(ptoMs * 2 ** this.#unanswered, MAX_PATIENCE_MS)))
  }

  #forget(): void {
    this.#suspicion = undefined
    this.#host.timers.disarm('rebinding')
  }
}
