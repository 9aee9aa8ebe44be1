/** The paths of one flow: the active one, and the last proven ones, from which late data may still come. */
import { TransportPath } from '../transport/path.ts'
import { DATA_PREFIX_BYTES } from '../wire/encapsulation.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { SEGMENT_HEADER_BYTES } from '../wire/segment.ts'
import { type Credit, isOnLink, type Local, Path, udpOverheadBytes } from './path.ts'

/** Proven paths that are kept beside the active one. */
export const FORMER_PATHS_LIMIT = 4

export class PathSet {
  #active: Path | undefined
  #former: Path[] = []
  #opened = 0

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
    const mss = packetBytesOf(local, remote) - DATA_PREFIX_BYTES - SEGMENT_HEADER_BYTES
    return new Path(local, remote, new TransportPath({ id: this.#opened++, mss }), credit)
  }

  /** Sends on `path` from now on. */
  adopt(path: Path): void {
    const previous = this.#active
    this.#active = path
    const others = this.#former.filter(former => former !== path && !former.joins(path.local.id, path.remote))
    if (previous?.proven && previous !== path) others.unshift(previous)
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

/** UDP payload that every path is taken to carry (RFC 8899 section 5.1.2, BASE_PLPMTU). */
const BASE_PACKET_BYTES = 1200
/** More is not worth a segment's memory, even where loopback would take 64 KiB. */
const MAX_PACKET_BYTES = 9000

/** On a link of our own the interface's MTU holds; beyond it, what every path carries. */
function packetBytesOf(local: Local, remote: Endpoint): number {
  if (!isOnLink(local, remote)) return BASE_PACKET_BYTES
  return Math.min(MAX_PACKET_BYTES, local.mtu - udpOverheadBytes(remote))
}
