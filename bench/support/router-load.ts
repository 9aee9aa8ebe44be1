/** The packet of `router`: a SYN as a client makes it, of 100 bytes from the shim on, with an extension that routers skip. */
import { serviceIdOf } from '../../src/id/name.ts'
import { emitShim, SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { control, controlFlags } from '../../src/wire/extensions/control.ts'
import { key, keyModes } from '../../src/wire/extensions/key.ts'
import { service } from '../../src/wire/extensions/service.ts'
import { nativeProfile } from '../../src/wire/native-profile.ts'
import { emitPacket, packetLength, SalPacket } from '../../src/wire/packet.ts'
import { protocols } from '../../src/wire/sal-header.ts'

export const LOAD_SERVICE = 'load.bench.example'

export function loadPacket(): Uint8Array {
  const packet = new SalPacket({
    srcFlowId: 1,
    dstFlowId: 0,
    protocol: protocols.STREAM,
    extensions: [
      control(controlFlags.SYN, 1, 0),
      service(serviceIdOf(LOAD_SERVICE)),
      key(keyModes.PLAIN, new Uint8Array(16)),
      { kind: 'unknown', bits: 0, type: 14, body: new Uint8Array(6) },
    ],
  })
  const bytes = new Uint8Array(SHIM_BYTES + packetLength(packet, nativeProfile))
  emitShim(bytes, 0, bytes.length)
  emitPacket(packet, bytes, SHIM_BYTES, nativeProfile)
  return bytes
}
