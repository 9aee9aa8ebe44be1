/** TAG: fixed values, and that nothing covered can be changed. */
import { describe, expect, it } from 'vitest'
import { derivePlainKeys } from '../../../src/security/keys.ts'
import { computeTag, verifyTag } from '../../../src/security/tag.ts'
import { SHIM_BYTES, setHops } from '../../../src/wire/encapsulation.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { end } from '../../../src/wire/extensions/end.ts'
import { TAG_BYTES, tag } from '../../../src/wire/extensions/tag.ts'
import { tagInput, writeTag } from '../../../src/wire/packet-tag.ts'
import { packetOf } from '../../support/simulator/describe-packet.ts'
import { flip, forge } from '../../support/simulator/forge.ts'

const nonce = (from: number) => Uint8Array.from({ length: 16 }, (_, i) => from + i)
const { tagKey } = derivePlainKeys(nonce(0), nonce(16))
const covered = new TextEncoder().encode('covered')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('TAG', () => {
  it('has the values of the specification', () => {
    expect(hex(computeTag(tagKey, 0, 'client', covered))).toBe('ce2ef21aa2380a804bd43b6ed0fd3153')
    expect(hex(computeTag(tagKey, 258, 'client', covered))).toBe('9d4009cfa4acf3e63212cb01f810ab04')
    expect(hex(computeTag(tagKey, 0, 'server', covered))).toBe('1853d77cf6c4bee9c8f91d0142d10072')
    expect(hex(computeTag(tagKey, 258, 'server', covered))).toBe('786e7757f2348d9fe79873054e66b5dd')
  })

  it('holds for its sender, epoch and bytes alone', () => {
    const value = computeTag(tagKey, 1, 'client', covered)
    expect(verifyTag(tagKey, 1, 'client', covered, value)).toBe(true)
    expect(verifyTag(tagKey, 1, 'server', covered, value)).toBe(false)
    expect(verifyTag(tagKey, 2, 'client', covered, value)).toBe(false)
    expect(verifyTag(tagKey, 1, 'client', covered.subarray(1), value)).toBe(false)
    expect(verifyTag(derivePlainKeys(nonce(1), nonce(16)).tagKey, 1, 'client', covered, value)).toBe(false)
  })

  it('of another length is none', () => {
    const value = computeTag(tagKey, 0, 'client', covered)
    expect(value).toHaveLength(TAG_BYTES)
    expect(verifyTag(tagKey, 0, 'client', covered, value.subarray(0, 15))).toBe(false)
    expect(verifyTag(tagKey, 0, 'client', covered, new Uint8Array(0))).toBe(false)
  })
})

describe('a tagged packet', () => {
  const packet = forge({
    srcFlowId: 0x01020304,
    dstFlowId: 0x05060708,
    extensions: [control(controlFlags.FIN | controlFlags.ACK, 7, 9), end(1000), tag(0)],
    transport: Uint8Array.from({ length: 64 }, (_, i) => i),
  })
  writeTag(packet, SHIM_BYTES, computeTag(tagKey, 0, 'client', tagInput(packet, SHIM_BYTES, packet.length)))
  const holds = (bytes: Uint8Array) => {
    const value = packetOf(bytes)?.tag?.value
    return (
      value !== undefined && verifyTag(tagKey, 0, 'client', tagInput(bytes, SHIM_BYTES, bytes.length), value)
    )
  }

  it('is what it was', () => {
    expect(holds(packet)).toBe(true)
  })

  it('is refused when any byte of it differs, header, extension, tag or payload', () => {
    const CHECKSUM = [10, 11]
    for (let offset = 0; offset < packet.length - SHIM_BYTES; offset++) {
      if (CHECKSUM.includes(offset)) continue
      expect(holds(flip(packet, offset)), `byte ${offset}`).toBe(false)
    }
  })

  it('is refused when it is cut, or longer', () => {
    expect(holds(packet.subarray(0, packet.length - 1))).toBe(false)
    expect(
      verifyTag(
        tagKey,
        0,
        'client',
        tagInput(Uint8Array.of(...packet, 0), SHIM_BYTES, packet.length + 1),
        packetOf(packet)!.tag!.value,
      ),
    ).toBe(false)
  })

  it('may lose hops on its way', () => {
    const onward = packet.slice()
    setHops(onward, 0, 3)
    expect(holds(onward)).toBe(true)
  })
})
