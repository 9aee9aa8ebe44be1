/**
 * The two profiles of the wire as data (README.md): which extensions there are, how stream
 * segments look, and the numbers of the policies that differ. Nothing else in the stack asks which profile
 * it speaks.
 */
import { emitShim, SHIM_BYTES } from './encapsulation.ts'
import { addressCodec, sourceCodec } from './extensions/addresses-2014.ts'
import { challengeCodec } from './extensions/challenge.ts'
import { controlCodec } from './extensions/control.ts'
import { cookieCodec } from './extensions/cookie.ts'
import { endCodec } from './extensions/end.ts'
import { keyCodec } from './extensions/key.ts'
import { largeCodec } from './extensions/large.ts'
import { padCodec } from './extensions/pad.ts'
import { reasonCodec } from './extensions/reason.ts'
import { pathsCodec, routeCodec } from './extensions/route.ts'
import { serviceCodec } from './extensions/service.ts'
import { tagCodec } from './extensions/tag.ts'
import { CodecTable, type ExtensionRules } from './extensions.ts'
import { IPV4_HEADER_BYTES } from './ipv4.ts'
import { emitIpv4Envelope, MAX_RAW_PACKET_BYTES } from './raw-ip.ts'
import { nativeSegment, type SegmentCodec } from './segment.ts'
import { tcpSegment } from './tcp-header.ts'

export type ProfileName = '2014' | 'native'

export interface Profile {
  readonly name: ProfileName
  readonly extensions: ExtensionRules
  readonly segment: SegmentCodec
  /** Whether checksums of transports cover the addresses of the packet around them, as it travels. */
  readonly addressedChecksums: boolean
  readonly envelope: Envelope
  readonly policy: ProfilePolicy
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

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  /** princeton-sns/serval on raw IP, protocol 144 (README.md, "Extensions", A13, A16). */
  '2014': {
    name: '2014',
    extensions: {
      codecs: new CodecTable(padCodec, controlCodec, serviceCodec, addressCodec, sourceCodec),
      limit: 10,
      alignment: 1,
      skippableFrom: 16,
    },
    segment: tcpSegment,
    addressedChecksums: true,
    envelope: { bytes: IPV4_HEADER_BYTES, packetBytes: MAX_RAW_PACKET_BYTES, emit: emitIpv4Envelope },
    policy: {
      initialRtoMs: 3_000,
      minRtoMs: 200,
      maxRtoMs: 120_000,
      // 15 retransmissions at 3, 6, 12 ... 120 s.
      synTimeoutMs: 1_380_000,
      halfOpenMs: 3_000,
      finWait2Ms: 60_000,
      timeWaitMs: 60_000,
      timeWaitPtos: 3.5,
    },
  },

  /** Over UDP (README.md, "Extensions", B5). */
  native: {
    name: 'native',
    extensions: {
      codecs: new CodecTable(
        controlCodec,
        serviceCodec,
        keyCodec,
        tagCodec,
        cookieCodec,
        challengeCodec,
        routeCodec,
        pathsCodec,
        reasonCodec,
        endCodec,
        largeCodec,
      ),
      limit: 32,
      alignment: 4,
      skippableFrom: 5,
    },
    segment: nativeSegment,
    addressedChecksums: false,
    envelope: {
      bytes: SHIM_BYTES,
      emit: (buffer, offset, totalBytes) => emitShim(buffer, offset, totalBytes),
    },
    policy: {
      initialRtoMs: 1_000,
      minRtoMs: 25,
      // RFC 6298 (2.5): a maximum is allowed from 60 s up.
      maxRtoMs: 60_000,
      synTimeoutMs: 10_000,
      halfOpenMs: 20_000,
      finWait2Ms: 60_000,
      // FlowIDs are random, so nothing but a lost last ACK depends on TIMEWAIT, and the peer says when it has come. What
      // is left is an outage, or a move, at that very moment: 3 PTO (README.md, "Control numbers") would make an error of it at the peer.
      timeWaitMs: 10_000,
      timeWaitPtos: 3,
    },
  },
}
