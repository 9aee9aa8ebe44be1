/** A path of the 2014 profile: no packet beyond 1,500 bytes, and none is probed for (src/wire/README.md, A1). */
import type { CongestionControl } from '../../transport/congestion/congestion.ts'
import { TransportPath } from '../../transport/path.ts'
import { PathMtu } from '../../transport/path-mtu.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import type { Profile } from '../../wire/profile.ts'
import { MAX_RAW_PACKET_BYTES, RAW_DATA_PREFIX_BYTES } from '../../wire/raw-ip.ts'
import { TCP_HEADER_BYTES } from '../../wire/tcp-header.ts'
import { type Local, Path } from '../path.ts'

/** Bytes of the largest packet from `local`. */
export function packetBytesFrom(local: Local): number {
  return Math.min(MAX_RAW_PACKET_BYTES, local.mtu)
}

/** What MSS says: 1,448 on Ethernet. */
export function mssFrom(local: Local): number {
  return packetBytesFrom(local) - RAW_DATA_PREFIX_BYTES - TCP_HEADER_BYTES
}

type NewCongestion = ((mss: number) => CongestionControl) | undefined

/** The one path that a flow has at a time. */
export class PathInUse {
  readonly #profile: Profile
  readonly #newCongestion: NewCongestion
  #current: Path | undefined
  #opened = 0
  #isSuspended = false

  constructor(profile: Profile, newCongestion: NewCongestion) {
    this.#profile = profile
    this.#newCongestion = newCongestion
  }

  /** Undefined before the peer is known. */
  get current(): Path | undefined {
    return this.#current
  }

  /** Nothing can leave by it any more. */
  get isSuspended(): boolean {
    return this.#isSuspended
  }

  suspend(): void {
    this.#isSuspended = true
  }

  /**
   * Its addresses count as proven at once: the profile has nothing to prove them by. `rttMs`: what the exchange of control
   * packets has shown of it, if anything.
   */
  open(local: Local, remote: Endpoint, rttMs?: number): Path {
    const { policy } = this.#profile
    const [id, mss, bytes] = [this.#opened++, mssFrom(local), packetBytesFrom(local)]
    const transport = new TransportPath({ id, mss, newCongestion: this.#newCongestion, rto: policy })
    if (rttMs !== undefined) transport.rtt.sample(rttMs)
    const mtu = new PathMtu({ startBytes: bytes, maxBytes: bytes, overheadBytes: 0 })
    const path = new Path(local, remote, transport, undefined, mtu)
    path.proven = true
    this.#isSuspended = false
    this.#current = path
    return path
  }

  get rtoMs(): number {
    return this.#current?.transport.rtt.rtoMs ?? this.#profile.policy.initialRtoMs
  }

  /** RTO, doubled for each repeat. */
  backedOffMs(repeats: number): number {
    return Math.min(this.rtoMs * 2 ** repeats, this.#profile.policy.maxRtoMs)
  }
}
