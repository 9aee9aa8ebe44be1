/**
 * Cookies: what a host under load gives to a SYN in place of an answer, and keeps nothing of (src/wire/README.md,
 * "Under load"; the idea is RFC 4987 section 3.6's, the form RFC 9000 section 8.1.2's Retry). Whoever brings one back is
 * at the address that it was sent to, has sent that very SYN, and has done so within the last minutes.
 *
 *   generation u8 | HMAC-SHA256(secret of the generation, address port srcFlowId share serviceId), first 15 bytes
 */
import { timingSafeEqual } from 'node:crypto'
import type { ServiceId } from '../id/service-id.ts'
import { writeU16, writeU32 } from '../wire/bytes.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { hmacSha256 } from './hmac.ts'

/** What makes a SYN that SYN. */
export interface CookieSubject {
  /** Where it is from. */
  readonly remote: Endpoint
  readonly srcFlowId: number
  /** The client's part of the keys. */
  readonly share: Uint8Array
  readonly serviceId: ServiceId
}

export const COOKIE_BYTES = 16
/** Each secret is used for so long, and believed for as long again. */
export const SECRET_MS = 120_000

const SECRET_BYTES = 32
const ascii = new TextEncoder()

export class CookieJar {
  readonly #randomBytes: (n: number) => Uint8Array
  #generation = Number.NEGATIVE_INFINITY
  #secret: Uint8Array
  #former: Uint8Array
  readonly #numbers = new Uint8Array(7)

  constructor(randomBytes: (n: number) => Uint8Array) {
    this.#randomBytes = randomBytes
    this.#secret = this.#former = NO_SECRET
  }

  /** 16 bytes for the sender of this SYN. */
  make(subject: CookieSubject, nowMs: number): Uint8Array {
    this.#turn(nowMs)
    return this.#compute(this.#secret, this.#generation, subject)
  }

  /** Whether `opaque` was made for this SYN, by a secret that is believed still. */
  holds(opaque: Uint8Array, subject: CookieSubject, nowMs: number): boolean {
    this.#turn(nowMs)
    const age = (this.#generation - (opaque[0] ?? 0)) & 0xff
    const secret = age === 0 ? this.#secret : this.#former
    if (opaque.length !== COOKIE_BYTES || age > 1 || secret === NO_SECRET) return false
    return timingSafeEqual(this.#compute(secret, this.#generation - age, subject), opaque)
  }

  #turn(nowMs: number): void {
    const generation = Math.floor(nowMs / SECRET_MS)
    if (generation === this.#generation) return
    this.#former = generation === this.#generation + 1 ? this.#secret : NO_SECRET
    this.#secret = this.#randomBytes(SECRET_BYTES)
    this.#generation = generation
  }

  #compute(secret: Uint8Array, generation: number, subject: CookieSubject): Uint8Array {
    const { remote, srcFlowId, share, serviceId } = subject
    writeU16(this.#numbers, 0, remote.port)
    writeU32(this.#numbers, 2, srcFlowId)
    this.#numbers[6] = share.length
    // The address stands last: how long all else is has been said.
    const address = ascii.encode(remote.address)
    const cookie = hmacSha256(secret, this.#numbers, share, serviceId.toBytes(), address).subarray(
      0,
      COOKIE_BYTES,
    )
    cookie.copyWithin(1, 0)
    cookie[0] = generation
    return cookie
  }
}

const NO_SECRET = new Uint8Array(0)
