/**
 * What daemons of 2014 have registered, by the address that they serve from, as long as they refresh it. Nothing is
 * acknowledged: a daemon repeats itself every 20 s, and what is not repeated for 50 s is forgotten (src/wire/README.md,
 * "Registrations").
 */
import type { ServicePrefix } from '../id/service-prefix.ts'
import { WireError } from '../wire/wire-error.ts'
import { parseDaemonMessage } from './daemon-message.ts'

/** A service that the host at `address` serves from now on, or no longer. */
export interface DaemonChange {
  readonly type: 'registered' | 'withdrawn'
  readonly address: string
  readonly prefix: ServicePrefix
}

interface Lease {
  readonly address: string
  readonly prefix: ServicePrefix
  readonly expiresAt: number
}

/** As the original's daemon keeps what it was told. */
export const DAEMON_LEASE_MS = 50_000
/** Leases at once: anybody on the link can ask for more. */
export const DAEMON_LEASE_LIMIT = 4096

export class DaemonLeases {
  readonly counters = { malformed: 0, refused: 0, tooMany: 0 }
  /** By address and prefix; the longest unheard first, as a Map keeps the order of insertion. */
  readonly #leases = new Map<string, Lease>()

  /** A datagram for the registrar, from the host at `address`. What becomes different by it is returned. */
  handleMessage(payload: Uint8Array, address: string, nowMs: number): DaemonChange[] {
    const message = parseDaemonMessage(payload)
    if (message instanceof WireError) this.counters.malformed++
    // Where everything goes that nobody serves is not for a host to say.
    else if (message.prefix.bits === 0) this.counters.refused++
    else {
      const { type, prefix, oldAddress } = message
      const moved =
        oldAddress === undefined || oldAddress === address ? [] : this.#withdraw(oldAddress, prefix)
      const own = type === 'REGISTER' ? this.#renew(address, prefix, nowMs) : this.#withdraw(address, prefix)
      return [...moved, ...own]
    }
    return []
  }

  /** Infinity: nothing is registered. */
  get nextTimeoutAt(): number {
    for (const { expiresAt } of this.#leases.values()) return expiresAt
    return Number.POSITIVE_INFINITY
  }

  /** What has lapsed. */
  handleTimeout(nowMs: number): DaemonChange[] {
    const lapsed = [...this.#leases.values()].filter(({ expiresAt }) => expiresAt <= nowMs)
    return lapsed.flatMap(({ address, prefix }) => this.#withdraw(address, prefix))
  }

  #renew(address: string, prefix: ServicePrefix, nowMs: number): DaemonChange[] {
    const key = keyOf(address, prefix)
    const isNew = !this.#leases.delete(key)
    if (isNew && this.#leases.size >= DAEMON_LEASE_LIMIT) {
      this.counters.tooMany++
      return []
    }
    this.#leases.set(key, { address, prefix, expiresAt: nowMs + DAEMON_LEASE_MS })
    return isNew ? [{ type: 'registered', address, prefix }] : []
  }

  #withdraw(address: string, prefix: ServicePrefix): DaemonChange[] {
    return this.#leases.delete(keyOf(address, prefix)) ? [{ type: 'withdrawn', address, prefix }] : []
  }
}

function keyOf(address: string, prefix: ServicePrefix): string {
  return `${address} ${prefix}`
}
