/** The native profile. */

import { emitShim, SHIM_BYTES } from './encapsulation.ts'
import { formatEndpoint } from './endpoint.ts'
import { challengeCodec } from './extensions/challenge.ts'
import { controlCodec } from './extensions/control.ts'
import { cookieCodec } from './extensions/cookie.ts'
import { endCodec } from './extensions/end.ts'
import { keyCodec } from './extensions/key.ts'
import { largeCodec } from './extensions/large.ts'
import { reasonCodec } from './extensions/reason.ts'
import { pathsCodec, routeCodec } from './extensions/route.ts'
import { serviceCodec } from './extensions/service.ts'
import { tagCodec } from './extensions/tag.ts'
import { CodecTable } from './extensions.ts'
import type { Profile } from './profile.ts'
import { nativeSegment } from './segment.ts'

/** Over UDP (README.md, "Extensions", B5). */
export const nativeProfile: Profile = {
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
  formatPlace: formatEndpoint,
}
