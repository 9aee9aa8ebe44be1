/** The profile of the implementation of 2014. */
import { addressCodec, sourceCodec } from './extensions/addresses-2014.ts'
import { controlCodec } from './extensions/control.ts'
import { padCodec } from './extensions/pad.ts'
import { serviceCodec } from './extensions/service.ts'
import { CodecTable } from './extensions.ts'
import { IPV4_HEADER_BYTES } from './ipv4.ts'
import type { Profile } from './profile.ts'
import { emitIpv4Envelope, MAX_RAW_PACKET_BYTES } from './raw-ip.ts'
import { tcpSegment } from './tcp-header.ts'

/** princeton-sns/serval on raw IP, protocol 144 (README.md, "Extensions", A13, A16). */
export const profile2014: Profile = {
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
    // The prototype gives up after 15 repeats and 23 minutes; nobody else waits so long for one who may not be there.
    synTimeoutMs: 10_000,
    halfOpenMs: 3_000,
    finWait2Ms: 60_000,
    timeWaitMs: 60_000,
    timeWaitPtos: 3.5,
  },
  formatPlace: ({ address }) => address,
}
