/** The paths of one flow: the active one, and the last proven ones, from which late data may still come. */
import type { CongestionControl } from '../transport/congestion/congestion.ts'
import { TransportPath } from '../transport/path.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { type Credit, type Local, mtuOf, Path, segmentBytesOf } from './path.ts'

/** Proven paths that are kept beside the active one. */
export const FORMER_PATHS_LIMIT = 4

/** Of all flows that never moved. */
const NO_PATHS: readonly Path[] = []

export class PathSet {
  #active: Path | undefined
  #former = NO_PATHS
  #opened = 0
  readonly #newCongestion: ((mss: number) => CongestionControl) | undefined

  /** `newCongestion` makes the congestion control of each path; default: the transport's. */
  constructor(newCongestion?: (mss: number) => CongestionControl) {
    this.#newCongestion = newCongestion
  }

  get active(): Path | undefined {
    return this.#active
  }

  get formerCount(): number {
    return this.#former.length
  }

  /** Active first. */
  get all(): readonly Path[] {
    return this.#active ? [this.#active, ...this.#former] : this.#former
  }

  /** A path of its own: its round-trip time, congestion window and MSS start afresh (RFC 9000 section 9.4). */
  open(local: Local, remote: Endpoint, credit?: Credit): Path {
    const mtu = mtuOf(local, remote)
    const mss = segmentBytesOf(mtu)
    const transport = new TransportPath({ id: this.#opened++, mss, newCongestion: this.#newCongestion })
    return new Path(local, remote, transport, credit, mtu)
  }

  /** Sends on `path` from now on. */
  adopt(path: Path): void {
    const previous = this.#active
    this.#active = path
    if (previous === undefined) return
    const others = this.#former.filter(former => former !== path && !former.joins(path.local.id, path.remote))
    if (previous.proven && previous !== path) others.unshift(previous)
    this.#former = others.slice(0, FORMER_PATHS_LIMIT)
  }

  find(localId: number, remote: Endpoint): Path | undefined {
    return this.all.find(path => path.joins(localId, remote))
  }

  /** HOT. Whether the peer has proven that it is at `remote`. */
  proves(remote: Endpoint): boolean {
    const active = this.#active
    if (active?.proven && sameEndpoint(active.remote, remote)) return true
    for (const path of this.#former) if (sameEndpoint(path.remote, remote)) return true
    return false
  }
}
