import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { large } from '../../../src/wire/extensions/large.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import { nativeProfile as native } from '../../../src/wire/native-profile.ts'
import { emitPacket, packetLength, parsePacket, SalPacket } from '../../../src/wire/packet.ts'
import { tagInput, writeTag } from '../../../src/wire/packet-tag.ts'
import {
  checkSalHeader,
  fillSalChecksum,
  peekDstFlowId,
  peekHeaderBytes,
  peekProtocol,
  peekSrcFlowId,
} from '../../../src/wire/sal-header.ts'
import { WireError, wireErrors } from '../../../src/wire/wire-error.ts'

const a = serviceIdOf('a.example')
const b = serviceIdOf('b.example')
const packet = new SalPacket({
  srcFlowId: 0xfffffffe,
  dstFlowId: 7,
  protocol: 6,
  extensions: [control(controlFlags.ACK, 1, 2), service(a), service(b), tag(3, new Uint8Array(16).fill(9))],
  transport: Uint8Array.of(1, 2, 3),
})

function emitted(value = packet): Uint8Array {
  const buffer = new Uint8Array(packetLength(value, native)).fill(0xa5)
  expect(emitPacket(value, buffer, 0, native)).toBe(buffer.length)
  return buffer
}

describe('a SAL packet', () => {
  it('comes out as it went in', () => {
    const bytes = emitted()
    expect(parsePacket(bytes, 0, bytes.length, native)).toEqual(packet)
  })

  it('gives its extensions by kind', () => {
    expect(packet.control).toEqual(control(controlFlags.ACK, 1, 2))
    expect(packet.services).toEqual([a, b])
    expect(packet.tag?.epoch).toBe(3)
    expect(packet.extension('key')).toBeUndefined()
    expect(packet.mustUnderstand).toBeUndefined()
  })

  it('has no transport unless one is given', () => {
    const bare = new SalPacket({ srcFlowId: 1, dstFlowId: 2, protocol: 6, extensions: [] })
    expect(emitted(bare).length).toBe(12)
  })

  it('is parsed anywhere in a buffer, its transport a view', () => {
    const bytes = emitted()
    const buffer = new Uint8Array(bytes.length + 20).fill(0xa5)
    buffer.set(bytes, 9)
    const parsed = parsePacket(buffer, 9, 9 + bytes.length, native) as SalPacket
    expect(parsed).toEqual(packet)
    expect(parsed.transport.buffer).toBe(buffer.buffer)
  })

  it('keeps its extensions when the buffer is used again', () => {
    const bytes = emitted()
    const parsed = parsePacket(bytes, 0, bytes.length, native) as SalPacket
    bytes.fill(0)
    expect(parsed.extensions).toEqual(packet.extensions)
  })

  it('is refused, by name, for each way to be wrong', () => {
    const good = emitted()
    const refusal = (spoil: (bytes: Uint8Array) => Uint8Array) => {
      const bytes = spoil(good.slice())
      const result = parsePacket(bytes, 0, bytes.length, native)
      return result instanceof WireError ? result.code : 'value'
    }
    const set = (at: number, value: number) => (bytes: Uint8Array) => {
      bytes[at] = value
      return bytes
    }
    const resummed = (at: number, value: number) => (bytes: Uint8Array) => {
      bytes[at] = value
      fillSalChecksum(bytes, 0)
      return bytes
    }
    expect(refusal(bytes => bytes.subarray(0, 11))).toBe('truncated')
    expect(refusal(bytes => bytes.subarray(0, 123))).toBe('truncated')
    expect(refusal(set(8, 2))).toBe('bad-length')
    expect(refusal(set(8, 255))).toBe('truncated')
    expect(refusal(set(10, good[10]! ^ 1))).toBe('bad-checksum')
    expect(refusal(set(40, good[40]! ^ 1))).toBe('bad-checksum')
    expect(refusal(resummed(13, 24))).toBe('bad-length')
    expect(refusal(resummed(8, 30))).toBe('truncated')
    expect(refusal(bytes => bytes)).toBe('value')
  })

  it('is refused by emit where it cannot be: that is an error of the caller', () => {
    const bytes = new Uint8Array(packetLength(packet, native) - 1)
    expect(() => emitPacket(packet, bytes, 0, native)).toThrow('no room')
    const tooLarge = new SalPacket({ ...packet, extensions: [large(1, new Uint8Array(1010))] })
    expect(() => emitPacket(tooLarge, new Uint8Array(2000), 0, native)).toThrow('not possible')
    const odd = new SalPacket({
      ...packet,
      extensions: [{ kind: 'unknown', type: 14, bits: 0, body: new Uint8Array(3) }],
    })
    expect(() => emitPacket(odd, new Uint8Array(2000), 0, native)).toThrow('not possible')
  })

  it('holds a header of 1,020 bytes', () => {
    const largest = new SalPacket({ ...packet, extensions: [large(1, new Uint8Array(1002))] })
    const bytes = emitted(largest)
    expect(peekHeaderBytes(bytes, 0)).toBe(1020)
    expect(parsePacket(bytes, 0, bytes.length, native)).toEqual(largest)
  })
})

describe('the base header', () => {
  it('is peeked at without allocation', () => {
    const bytes = emitted()
    expect(checkSalHeader(bytes, 0, bytes.length)).toBeUndefined()
    expect(peekSrcFlowId(bytes, 0)).toBe(0xfffffffe)
    expect(peekDstFlowId(bytes, 0)).toBe(7)
    expect(peekHeaderBytes(bytes, 0)).toBe(bytes.length - 3)
    expect(peekProtocol(bytes, 0)).toBe(6)
  })
})

describe('what TAG covers', () => {
  it('is the packet from the source flowID on, with checksum and value as zero', () => {
    const bytes = emitted()
    const expected = bytes.slice()
    expected.fill(0, 10, 12)
    expected.fill(0, bytes.length - 3 - 16, bytes.length - 3)
    const before = bytes.slice()
    expect(tagInput(bytes, 0, bytes.length)).toEqual(expected)
    expect(bytes, 'the packet itself is not touched').toEqual(before)
  })

  it('is the same before and after the value is written, wherever the packet stands', () => {
    const bytes = emitted()
    const buffer = new Uint8Array(bytes.length + 8)
    buffer.set(bytes, 4)
    const end = 4 + bytes.length
    const input = tagInput(buffer, 4, end)
    writeTag(buffer, 4, new Uint8Array(16).fill(0x77))
    expect(tagInput(buffer, 4, end)).toEqual(input)
    const parsed = parsePacket(buffer, 4, end, native) as SalPacket
    expect(parsed.tag?.value).toEqual(new Uint8Array(16).fill(0x77))
    expect(buffer.subarray(end)).toEqual(new Uint8Array(4))
  })

  it('changes with every other bit of the packet', () => {
    const bytes = emitted()
    const input = Buffer.from(tagInput(bytes, 0, bytes.length)).toString('hex')
    const value = bytes.length - 3 - 16
    for (let at = 0; at < bytes.length; at++) {
      // The header length says where the value is; a packet with another one does not parse.
      if (at === 8 || at === 10 || at === 11 || (at >= value && at < value + 16)) continue
      const changed = bytes.slice()
      changed[at]! ^= 1
      expect(Buffer.from(tagInput(changed, 0, changed.length)).toString('hex'), `byte ${at}`).not.toBe(input)
    }
  })

  it('can be gathered in memory that is there already', () => {
    const bytes = emitted()
    const scratch = new Uint8Array(2000)
    const input = tagInput(bytes, 0, bytes.length, scratch)
    expect(input.buffer).toBe(scratch.buffer)
    expect(input).toEqual(tagInput(bytes, 0, bytes.length))
  })
})

describe('wire errors', () => {
  it('are frozen singletons with codes of their own', () => {
    const all = Object.values(wireErrors)
    expect(all.every(error => Object.isFrozen(error) && error instanceof WireError)).toBe(true)
    expect(new Set(all.map(error => error.code)).size).toBe(all.length)
    expect(String(wireErrors.truncated)).toBe('truncated: the bytes end before the header they start')
  })
})
