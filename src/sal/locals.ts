/**
 * The addresses of this host, and which of them to use towards a peer: its own address where the peer is this host, else
 * the longest common subnet, else any of the family that is not loopback. Routing is the kernel's; this only picks
 * the socket.
 */

import { isOnLink, type Local } from '../flow/path.ts'
import { broadcastOf, isLoopback } from '../id/address.ts'
import { type Endpoint, endpointFamily } from '../wire/endpoint.ts'

export class Locals {
  readonly #locals = new Map<number, Local>()
  /** By peers' addresses, until anything changes. */
  readonly #ranked = new Map<string, readonly Local[]>()

  #broadcasts: ReadonlySet<string> | undefined

  get all(): readonly Local[] {
    return [...this.#locals.values()]
  }

  /** Where this stack reaches itself: loopback, if it has it. */
  get ownEndpoint(): Endpoint | undefined {
    return (this.all.find(local => isLoopback(local.endpoint.address)) ?? this.all[0])?.endpoint
  }

  byId(id: number): Local | undefined {
    return this.#locals.get(id)
  }

  add(local: Local): void {
    this.#locals.set(local.id, local)
    this.changed()
  }

  remove(id: number): Local | undefined {
    const local = this.#locals.get(id)
    this.#locals.delete(id)
    this.changed()
    return local
  }

  /** What is known of one of them has changed. */
  changed(): void {
    this.#ranked.clear()
    this.#broadcasts = undefined
  }

  /** The best address from which to reach `remote`; undefined where there is none. */
  best(remote: Endpoint): Local | undefined {
    return this.ranked(remote)[0]
  }

  /** All addresses from which `remote` may be reached, best first. */
  ranked(remote: Endpoint): readonly Local[] {
    const known = this.#ranked.get(remote.address)
    if (known !== undefined) return known
    const ranked = this.all
      .map(local => ({ local, rank: rankOf(local, remote) }))
      .filter(({ rank }) => rank >= 0)
      .sort((a, b) => b.rank - a.rank)
      .map(({ local }) => local)
    if (this.#ranked.size >= RANKED_LIMIT) this.#ranked.clear()
    this.#ranked.set(remote.address, ranked)
    return ranked
  }

  /** Whether it is this host, or in a subnet of its own. */
  isNear(remote: Endpoint): boolean {
    return this.all.some(local => rankOf(local, remote) > 0)
  }

  /** Whether it stands for all hosts of a subnet of this host's. */
  isBroadcast(remote: Endpoint): boolean {
    this.#broadcasts ??= new Set(
      this.all
        .filter(({ endpoint }) => endpointFamily(endpoint) === 4)
        .map(({ endpoint, prefixBits }) => ({
          own: endpoint.address,
          all: broadcastOf(endpoint.address, prefixBits),
        }))
        .flatMap(({ own, all }) => (own === all ? [] : all)),
    )
    return this.#broadcasts.has(remote.address)
  }

  /** The next best after `local`, in turn. */
  after(local: Local, remote: Endpoint): Local | undefined {
    const ranked = this.ranked(remote)
    const next = ranked[(ranked.indexOf(local) + 1) % Math.max(1, ranked.length)]
    return next === local ? undefined : next
  }
}

/** Whether `remote` may be reached from `local`. */
export function reaches(local: Local, remote: Endpoint): boolean {
  return rankOf(local, remote) >= 0
}

/** Peers' addresses whose order is remembered. */
const RANKED_LIMIT = 256
const SAME_ADDRESS = 1000

/** Negative: cannot be reached from there. */
function rankOf(local: Local, remote: Endpoint): number {
  const own = local.endpoint
  if (endpointFamily(own) !== endpointFamily(remote)) return -1
  if (own.address === remote.address) return SAME_ADDRESS
  if (isLoopback(own.address) !== isLoopback(remote.address)) return -1
  if (zoneOf(own.address) !== zoneOf(remote.address)) return -1
  return isOnLink(local, remote) ? 1 + local.prefixBits : 0
}

/** The zone of a link-local address (RFC 4007 section 11); '' for all others. */
function zoneOf(address: string): string {
  const at = address.indexOf('%')
  return at < 0 ? '' : address.slice(at)
}
