/**
 * Set-up of one flow: what each end contributes, how its packets are repeated, and when the other end is believed.
 *
 *   client                                            server
 *   SYN      control service KEY             ---->
 *                                            <----    SYN-ACK  control KEY TAG  segment     (repeated by timer)
 *   ACK      control service TAG  segment    ---->    (repeated until the server is heard; carries the first data)
 *
 * The SYN is resolved afresh each time it is sent. A NACK is a hint: another instance is asked, until the deadline. Where
 * there may be several and the one that was asked takes its time, another is asked too before the SYN is repeated
 * (sal/attempts.ts). Each SYN says which of its flow's it is: routers choose another instance for each, and an answer tells
 * which it is to. The first verified SYN-ACK wins.
 */
import { derivePlainKeys, type FlowKeys, plainNonceBytes } from '../security/keys.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import type { Refusal } from './flow-context.ts'

/** Repeats of SYN, SYN-ACK and third ACK: 1 s, doubled each time (RFC 6298 section 2.1; wire README, "Timers"). */
export interface SetupTimes {
  readonly firstRepeatMs: number
  readonly timeoutMs: number
}

/** How often another instance is asked for, where one does not serve at all. */
const ELSEWHERE_LIMIT = 3
/** Cookies of one set-up: a secret may just have been changed, and instances have their own. */
const COOKIE_LIMIT = 8
/** The wait before the next try after a refusal, doubled each time up to the second. */
const REFUSAL_BACKOFF_MS = 50
const MAX_REFUSAL_BACKOFF_MS = 1600
/** How many instances more are asked before a SYN is repeated: when all are slow, asking all makes them slower. */
export const HEDGE_LIMIT = 2

export class Setup {
  /** This end's contribution to the keys. */
  readonly nonce: Uint8Array
  /** The control extension's nonce of the SYN: a NACK or COOKIE must echo it. */
  readonly controlNonce: Uint8Array
  readonly deadlineAt: number
  /** Which SYN is being sent, or answered; 0 where it did not say. */
  attempt = 0
  readonly #firstRepeatMs: number
  #sends = 0
  /** Since the last refusal: a SYN that is lost then is missed as soon as the first. */
  #repeats = 0
  #repeatAt = Number.NEGATIVE_INFINITY
  /** Since the last repeat. */
  #hedges = 0
  #lastSentAt = 0
  #refusals = 0
  /** To be shown to whom it is from. */
  #cookie: { readonly issuer: Endpoint; readonly opaque: Uint8Array } | undefined
  #cookies = 0

  constructor(randomBytes: (n: number) => Uint8Array, times: SetupTimes, nowMs: number) {
    this.nonce = randomBytes(plainNonceBytes)
    this.controlNonce = randomBytes(8)
    this.#firstRepeatMs = times.firstRepeatMs
    this.deadlineAt = nowMs + times.timeoutMs
  }

  /** Keys of the flow; `role` is this end's. */
  deriveKeys(role: 'client' | 'server', peerNonce: Uint8Array): FlowKeys {
    return role === 'client' ? derivePlainKeys(this.nonce, peerNonce) : derivePlainKeys(peerNonce, this.nonce)
  }

  isControlNonce(nonce: Uint8Array): boolean {
    return sameBytes(this.controlNonce, nonce)
  }

  /** Notes a transmission; returns when the packet is due again, or, `patienceMs` from now, due at another instance. */
  sent(nowMs: number, patienceMs = Number.POSITIVE_INFINITY): number {
    this.#sends++
    this.#lastSentAt = nowMs
    const isRepeat = nowMs >= this.#repeatAt
    if (isRepeat) this.#repeatAt = nowMs + this.#firstRepeatMs * 2 ** this.#repeats++
    this.#hedges = isRepeat ? 0 : this.#hedges + 1
    const hedgeAt = this.#hedges < HEDGE_LIMIT ? nowMs + patienceMs : Number.POSITIVE_INFINITY
    return Math.min(this.#repeatAt, hedgeAt, this.deadlineAt)
  }

  /** The SYN is to be sent to `issuer` again, with what it gave; false if that was asked too often. */
  cookieGiven(issuer: Endpoint, opaque: Uint8Array, nowMs: number): boolean {
    if (++this.#cookies > COOKIE_LIMIT) return false
    this.#cookie = { issuer, opaque }
    this.#sends++
    this.#lastSentAt = nowMs
    return true
  }

  /** What a SYN to `remote` has to show. */
  cookieFor(remote: Endpoint): Uint8Array | undefined {
    return this.#cookie && sameEndpoint(this.#cookie.issuer, remote) ? this.#cookie.opaque : undefined
  }

  /** The round trip that an answer shows, or undefined where it may answer any of several copies (Karn). */
  roundTrip(nowMs: number): number | undefined {
    return this.#sends === 1 ? nowMs - this.#lastSentAt : undefined
  }

  /**
   * An instance refused; returns when to ask again, or undefined when it is time to give up. The nonce spreads those who
   * are refused together.
   */
  refused(retry: Exclude<Refusal['retry'], 'as planned'>, nowMs: number): number | undefined {
    const isElsewhere = retry === 'elsewhere' || retry === 'at once'
    if (retry === 'never' || (isElsewhere && this.#refusals >= ELSEWHERE_LIMIT)) return undefined
    this.#repeats = 0
    this.#repeatAt = Number.NEGATIVE_INFINITY
    if (retry === 'at once') {
      this.#refusals++
      return nowMs
    }
    const backoffMs = Math.min(REFUSAL_BACKOFF_MS * 2 ** this.#refusals++, MAX_REFUSAL_BACKOFF_MS)
    return nowMs + backoffMs * (1 + this.nonce[0]! / 256)
  }
}

/**
 * When the third ACK is due again: it has a count of its own. The server may have used up what it may send to an unproven
 * address and waits for `halfOpenMs` only, so this end must not slow down too much.
 */
export function repeatsFrom(firstRepeatMs: number): (nowMs: number) => number {
  let sends = 0
  return nowMs => nowMs + firstRepeatMs * 2 ** Math.min(sends++, 2)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
