import { describe, expect, it } from 'vitest'
import { blockHeader, FrameParser, messageFrame } from '../../../src/bin/perf/frames.ts'
import { BODY_BYTES, bodyOf, matches } from '../../../src/bin/perf/pattern.ts'

describe('the pattern', () => {
  it('is the same at both ends, whatever version they are', () => {
    expect(Buffer.from(bodyOf(0, 8)).toString('hex')).toBe('3ab624e1ab749a8b')
    expect(Buffer.from(bodyOf(4242, 8)).toString('hex')).toBe('c065f8eacb55f228')
  })

  it('knows its own, wherever it is looked at', () => {
    expect(bodyOf(123_456)).toHaveLength(BODY_BYTES)
    expect(matches(5, 1000, bodyOf(5).subarray(1000, 2000))).toBe(true)
  })

  it('differs from block to block', () => {
    const starts = Array.from({ length: 1000 }, (_, number) =>
      Buffer.from(bodyOf(number, 16)).toString('hex'),
    )
    expect(new Set(starts).size).toBe(1000)
  })

  it.each([
    ['one wrong bit', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 777 ? byte ^ 1 : byte))],
    ['a byte too many', (bytes: Uint8Array) => Uint8Array.of(0, ...bytes.subarray(0, -1))],
    ['a byte too few', (bytes: Uint8Array) => Uint8Array.of(...bytes.subarray(1), 0)],
    ['bytes of another block', () => bodyOf(6, 1000).slice()],
  ])('shows %s', (_what, spoil) => {
    expect(matches(5, 0, spoil(bodyOf(5, 1000).slice()))).toBe(false)
  })
})

describe('frames', () => {
  const stream = Buffer.concat([
    messageFrame({ type: 'request' }),
    blockHeader(0, 100),
    bodyOf(0, 100),
    blockHeader(0xfffffffe, 50),
    bodyOf(0xfffffffe, 50),
    messageFrame({ type: 'end' }),
  ])

  it.each([1, 3, 7, 64, 1000])('come apart in chunks of %d bytes', size => {
    const seen: unknown[] = []
    const blocks = new Map<number, number[]>()
    const parser = new FrameParser({
      onMessage: message => seen.push(message),
      onBody: (number, offset, bytes) => {
        const body = blocks.get(number) ?? []
        expect(offset).toBe(body.length)
        blocks.set(number, [...body, ...bytes])
      },
    })
    for (let at = 0; at < stream.length; at += size) parser.push(stream.subarray(at, at + size))
    expect(seen).toEqual([{ type: 'request' }, { type: 'end' }])
    expect(blocks.get(0)).toEqual([...bodyOf(0, 100)])
    expect(blocks.get(0xfffffffe)).toEqual([...bodyOf(0xfffffffe, 50)])
  })

  it.each([
    ['a body that is too long', Buffer.from([0, 2, 0, 0])],
    ['a message that is too long', Buffer.from([0x80, 2, 0, 0])],
    ['a message that is no JSON', Buffer.from([0x80, 0, 0, 1, 0x7b])],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ])('refuse %s', (_what, bytes) => {
    const parser = new FrameParser({ onMessage: () => undefined, onBody: () => undefined })
    expect(() => parser.push(bytes)).toThrow('the peer is not a `serval perf`')
  })
})
