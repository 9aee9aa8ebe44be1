import { describe, expect, it } from 'vitest'
import { controlErrors } from '../../../src/control/control-error.ts'
import { emitFrame, FrameReader, MAX_FRAME_BYTES } from '../../../src/control/frame.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { Random } from '../../support/random.ts'

/** All that comes out of a reader, bodies as text. */
function drain(reader: FrameReader): (string | WireError)[] {
  const bodies: (string | WireError)[] = []
  for (let body = reader.next(); body !== undefined; body = reader.next()) {
    bodies.push(body instanceof WireError ? body : new TextDecoder().decode(body))
  }
  return bodies
}

const frame = (text: string) => emitFrame(new TextEncoder().encode(text))

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

describe('a frame reader', () => {
  it('reads a length of four bytes, big-endian, and what follows', () => {
    expect([...frame('hello')]).toEqual([0, 0, 0, 5, 104, 101, 108, 108, 111])
    const reader = new FrameReader()
    reader.push(frame('hello'))
    expect(drain(reader)).toEqual(['hello'])
  })

  it('reads several frames of one chunk, an empty one among them', () => {
    const reader = new FrameReader()
    reader.push(concat(frame('one'), frame(''), frame('three')))
    expect(drain(reader)).toEqual(['one', '', 'three'])
  })

  it('waits for the rest, wherever the chunks are cut', () => {
    const stream = concat(frame('one'), frame('two and more'), frame('3'))
    for (let at = 0; at <= stream.length; at++) {
      const reader = new FrameReader()
      reader.push(stream.subarray(0, at))
      const first = drain(reader)
      reader.push(stream.subarray(at))
      expect([...first, ...drain(reader)]).toEqual(['one', 'two and more', '3'])
    }
  })

  it('leaves the caller its chunk', () => {
    const reader = new FrameReader()
    const chunk = frame('hello').slice(0, 7)
    reader.push(chunk)
    expect(drain(reader)).toEqual([])
    chunk.fill(0xff)
    reader.push(frame('hello').slice(7))
    expect(drain(reader)).toEqual(['hello'])
  })

  it('refuses a longer frame than it may have, once, and hears nothing more', () => {
    const reader = new FrameReader(100)
    reader.push(concat(frame('fine'), emitFrame(new Uint8Array(101)), frame('lost')))
    expect(drain(reader)).toEqual(['fine', controlErrors.frameTooLong])
    reader.push(frame('lost'))
    expect(drain(reader)).toEqual([])
  })

  it('takes the longest frame that there may be, and no longer one is made', () => {
    const reader = new FrameReader()
    reader.push(emitFrame(new Uint8Array(MAX_FRAME_BYTES)))
    expect(drain(reader)).toHaveLength(1)
    expect(() => emitFrame(new Uint8Array(MAX_FRAME_BYTES + 1))).toThrow(RangeError)
    reader.push(Uint8Array.of(0, 0x10, 0, 1))
    expect(drain(reader)).toEqual([controlErrors.frameTooLong])
  })

  it('does not copy what it holds again for each byte of a trickle', () => {
    const random = new Random(1)
    const body = random.bytes(MAX_FRAME_BYTES)
    const bytes = emitFrame(body)
    const reader = new FrameReader()
    const early: unknown[] = []
    for (let at = 0; at < bytes.length; at += 16) {
      if (at > 0) early.push(reader.next())
      reader.push(bytes.subarray(at, at + 16))
    }
    // 65,536 pushes to a buffer of up to 1 MiB: copied each time it would be 32 GiB, and take minutes.
    expect(early.every(frame => frame === undefined)).toBe(true)
    expect(Buffer.compare(reader.next() as Uint8Array, body)).toBe(0)
  })
})
