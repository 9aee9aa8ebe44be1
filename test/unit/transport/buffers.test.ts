import { describe, expect, it } from 'vitest'
import { ReadQueue } from '../../../src/transport/read-queue.ts'
import { SendBuffer } from '../../../src/transport/send-buffer.ts'
import { firstWrong, pattern } from '../../support/transport/pattern.ts'

describe('the send buffer', () => {
  it('keeps what was written when the program uses its memory for something else', () => {
    const buffer = new SendBuffer()
    const memory = new Uint8Array(200_000)
    for (const size of [1, 5_000, 150, 200_000, 30_000, 1_024, 65_536]) {
      const { endOffset } = buffer
      memory.set(pattern(endOffset, size))
      buffer.write(memory.subarray(0, size))
      memory.fill(0)
    }
    const target = new Uint8Array(buffer.bytes)
    buffer.copyTo(0, buffer.bytes, target, 0)
    expect(firstWrong(0, target)).toBe(-1)
  })

  it('uses memory again only when what lay there is acknowledged', () => {
    const [first, second] = [new SendBuffer(), new SendBuffer()]
    for (let at = 0; at < 300_000; at += 60_000) first.write(pattern(at, 60_000))
    first.release(100_000)
    for (let at = 0; at < 300_000; at += 20_000) second.write(new Uint8Array(20_000))
    const target = new Uint8Array(200_000)
    first.copyTo(100_000, 200_000, target, 0)
    expect(firstWrong(100_000, target)).toBe(-1)
  })

  it('takes tiny writes one behind the other', () => {
    const buffer = new SendBuffer()
    const scratch = new Uint8Array(10)
    buffer.write(pattern(0, 2_000))
    for (let offset = 2_000; offset < 3_000; offset += 10) {
      scratch.set(pattern(offset, 10))
      buffer.write(scratch)
    }
    const target = new Uint8Array(3_000)
    buffer.copyTo(0, 3_000, target, 0)
    expect(firstWrong(0, target)).toBe(-1)
  })

  it('counts what is held, and ignores an empty write', () => {
    const buffer = new SendBuffer()
    buffer.write(new Uint8Array(0))
    buffer.write(pattern(0, 100))
    buffer.release(40)
    expect([buffer.startOffset, buffer.endOffset, buffer.bytes]).toEqual([40, 100, 60])
  })
})

describe('the read queue', () => {
  it('hands a view on as it is when the reader keeps up', () => {
    const queue = new ReadQueue()
    const view = pattern(0, 100)
    queue.push(view)
    expect(queue.shift()).toBe(view)
    expect(queue.shift()).toBeUndefined()
  })

  it('packs crumbs while the reader lags, into not much more memory than they need', () => {
    const queue = new ReadQueue()
    for (let offset = 0; offset < 20_000; offset += 8) queue.push(pattern(offset, 8))
    expect(queue.bytes).toBe(20_000)
    const buffers = new Set<ArrayBufferLike>()
    let offset = 0
    for (let bytes = queue.shift(); bytes !== undefined; bytes = queue.shift()) {
      expect(firstWrong(offset, bytes)).toBe(-1)
      offset += bytes.length
      buffers.add(bytes.buffer)
    }
    expect(offset).toBe(20_000)
    expect([...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(40_000)
  })

  it('hands packets that waited on together, and large views as they are between them', () => {
    const queue = new ReadQueue()
    const sizes = [1_400, 1_400, 1_400, 20_000, 1_400, 1_400, ...Array.from({ length: 100 }, () => 1_400)]
    let offset = 0
    for (const size of sizes) {
      queue.push(pattern(offset, size))
      offset += size
    }
    const taken = []
    let at = 0
    for (let bytes = queue.shift(); bytes !== undefined; bytes = queue.shift()) {
      expect(firstWrong(at, bytes)).toBe(-1)
      at += bytes.length
      taken.push(bytes.length)
    }
    expect(taken).toEqual([1_400, 2_800, 20_000, ...Array.from({ length: 6 }, () => 23_800)])
    expect(queue.bytes).toBe(0)
  })

  it('packs what waits into one buffer a turn, once it knows how much that is, and keeps no such buffer for less', () => {
    const queue = new ReadQueue()
    const turn = (packets: number) => {
      for (let i = 0; i < packets; i++) queue.push(pattern(1_400 * i, 1_400))
      queue.shift()
      return queue.shift()!
    }
    expect(turn(16).buffer.byteLength).toBeLessThanOrEqual(2 * 15 * 1_400)
    expect(turn(16).buffer.byteLength).toBe(15 * 1_400)
    const few = turn(4)
    expect(few.buffer.byteLength).toBeLessThanOrEqual(2 * few.length)
    expect(firstWrong(1_400, few)).toBe(-1)
    expect(turn(16).buffer.byteLength).toBeLessThanOrEqual(2 * 15 * 1_400)
  })
  it('does not keep a large buffer alive for a small part of it', () => {
    const queue = new ReadQueue()
    const views = Array.from({ length: 10 }, (_, i) => new Uint8Array(64_000).subarray(i, i + 2_000))
    for (const view of views) queue.push(view)
    for (let bytes = queue.shift(); bytes !== undefined; bytes = queue.shift()) {
      expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * bytes.length)
    }
    expect.hasAssertions()
  })

  it('gives a view away for good: what comes later does not touch it', () => {
    const queue = new ReadQueue()
    queue.push(pattern(0, 1))
    queue.push(pattern(1, 4))
    queue.shift()
    const taken = queue.shift()!
    queue.push(pattern(5, 4))
    queue.push(pattern(9, 4))
    expect(firstWrong(1, taken)).toBe(-1)
    expect(taken.length).toBe(4)
  })
})
