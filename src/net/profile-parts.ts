/**
 * The parts of a stack that its profile decides on. Those of 2014 are loaded when a stack asks for them, which few do: the
 * rest need not keep them in their heaps.
 */
import { createRequire } from 'node:module'
import type { DialectKind } from '../sal/dialect.ts'
import { native } from '../sal/native-dialect.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { ProfileName } from '../wire/profile.ts'
import type { Network } from './links/link.ts'
import type { OffloadUse } from './links/offload.ts'
import { UdpNetwork } from './links/udp-network.ts'

export interface ProfileParts {
  readonly dialect: DialectKind
  newNetwork(offload: OffloadUse): ProfileNetwork
}

export interface ProfileNetwork extends Network {
  /** Where packets for all hosts of a subnet go, where the profile has such packets. */
  broadcastEndpoints?(): readonly Endpoint[]
  /** Whether nobody else gets the packets that are for this host; where it is not said they are this stack's alone. */
  isAlone?(): boolean
}

export function profileParts(name: ProfileName): ProfileParts {
  if (name === 'native') return nativeParts
  // A stack opens in one turn, so `import` is no way to them.
  const { dialect, RawIpNetwork } = require('./profile-2014.js') as typeof import('./profile-2014.ts')
  return { dialect, newNetwork: () => new RawIpNetwork() }
}

const require = createRequire(import.meta.url)

const nativeParts: ProfileParts = { dialect: native, newNetwork: offload => new UdpNetwork(offload) }
