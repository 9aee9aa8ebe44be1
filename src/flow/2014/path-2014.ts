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

/** Its addresses count as proven at once: the profile has nothing to prove them by. */
export function openPath2014(
  id: number,
  local: Local,
  remote: Endpoint,
  profile: Profile,
  newCongestion: ((mss: number) => CongestionControl) | undefined,
): Path {
  const transport = new TransportPath({ id, mss: mssFrom(local), newCongestion, rto: profile.policy })
  const bytes = packetBytesFrom(local)
  const mtu = new PathMtu({ startBytes: bytes, maxBytes: bytes, overheadBytes: 0 })
  const path = new Path(local, remote, transport, undefined, mtu)
  path.proven = true
  return path
}
