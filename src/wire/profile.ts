/**
 * A profile of the wire as data (README.md): which extensions there are, how stream segments look, and the numbers of the
 * policies that differ. There are two, native-profile.ts and profile-2014.ts; nothing else in the stack asks which it
 * speaks.
 */
import type { Endpoint } from './endpoint.ts'
import type { ExtensionRules } from './extensions.ts'
import type { SegmentCodec } from './segment.ts'

export type ProfileName = '2014' | 'native'

export interface Profile {
  readonly name: ProfileName
  readonly extensions: ExtensionRules
  readonly segment: SegmentCodec
  /** Whether checksums of transports cover the addresses of the packet around them, as it travels. */
  readonly addressedChecksums: boolean
  readonly envelope: Envelope
  readonly policy: ProfilePolicy
  /** Where somebody is, as people are told: with a port only where there are ports. */
  formatPlace(endpoint: Endpoint): string
}

/** What stands in front of each SAL packet as it is handed to a link. */
export interface Envelope {
  readonly bytes: number
  /** What a packet has at most, where that is not found out path by path. */
  readonly packetBytes?: number
  /** Writes it; `totalBytes` counts it too. The addresses are those that the packet travels between. */
  emit(buffer: Uint8Array, offset: number, totalBytes: number, source: string, destination: string): void
}

/** Times in milliseconds. */
export interface ProfilePolicy {
  /** RTO before the first sample. */
  readonly initialRtoMs: number
  readonly minRtoMs: number
  readonly maxRtoMs: number
  /** A SYN that nobody answered fails after this. */
  readonly synTimeoutMs: number
  /** A half-open connection of a listener is forgotten after this. */
  readonly halfOpenMs: number
  readonly finWait2Ms: number
  /** TIMEWAIT lasts this long or `timeWaitPtos` probe time-outs, whichever is longer. */
  readonly timeWaitMs: number
  readonly timeWaitPtos: number
}
