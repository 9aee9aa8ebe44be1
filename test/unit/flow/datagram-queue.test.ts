import { describe, expect, it } from 'vitest'
import { fillBatch } from '../../../src/flow/datagram-batch.ts'
import { DATAGRAM_OVERHEAD_BYTES, DatagramQueue } from '../../../src/flow/datagram-queue.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

interface Item {
  readonly payload: Uint8Array
  readonly name: string
}

const item = (name: string, bytes = 1): Item => ({
  name,
  payload: new Uint8Array(bytes).fill(name.charCodeAt(0)),
})
const names = (items: readonly Item[]) => items.map(({ name }) => name).join('')

function drain(queue: DatagramQueue<Item>): string {
  const taken: Item[] = []
  for (let next = queue.take(); next; next = queue.take()) taken.push(next)
  return names(taken)
}

describe('a queue of datagrams', () => {
  it('gives them in their order', () => {
    const queue = new DatagramQueue<Item>()
    for (const name of 'abc') queue.put(item(name))
    expect([queue.size, queue.payloadBytes, drain(queue)]).toEqual([3, 3, 'abc'])
    expect([queue.size, queue.payloadBytes, queue.take()]).toEqual([0, 0, undefined])
  })

  it('drops its oldest beyond so many, and counts them', () => {
    const queue = new DatagramQueue<Item>({ items: 3, bytes: 1 << 20 })
    const gone = [...'abcde'].flatMap(name => queue.put(item(name)))
    expect([names(gone), queue.dropped, drain(queue)]).toEqual(['ab', 2, 'cde'])
  })

  it('drops its oldest beyond so many bytes, of which each takes some for itself', () => {
    const queue = new DatagramQueue<Item>({ items: 100, bytes: 2 * (10 + DATAGRAM_OVERHEAD_BYTES) })
    expect(names([...'abc'].flatMap(name => queue.put(item(name, 10))))).toBe('a')
    expect(names(queue.put(item('d', 20)))).toBe('bc')
    expect(drain(queue)).toBe('d')
  })

  it('keeps the newest, however large', () => {
    const queue = new DatagramQueue<Item>({ items: 100, bytes: 1000 })
    queue.put(item('a'))
    expect(names(queue.put(item('b', 5000)))).toBe('a')
    expect(drain(queue)).toBe('b')
  })

  it('keeps no memory of those that are gone', () => {
    const queue = new DatagramQueue<Item>()
    for (let i = 0; i < 1000; i++) queue.put(item(String(i % 10)))
    for (let i = 0; i < 990; i++) queue.take()
    queue.put(item('x'))
    expect([queue.size, drain(queue)]).toEqual([11, '0123456789x'])
  })
})

describe('a batch of datagrams', () => {
  const write = ({ payload }: Item, buffer: Uint8Array, offset: number) => {
    buffer.set([0xff, 0xff], offset)
    buffer.set(payload, offset + 2)
  }
  const fill = (queue: DatagramQueue<Item>, joins?: (a: Item, b: Item) => boolean) => {
    const batch = new TransmitBatch()
    fillBatch(queue, batch, 2, write, joins)
    return [batch.packets, batch.segmentBytes, batch.length]
  }

  it('holds all of one size, and one that is shorter', () => {
    const queue = new DatagramQueue<Item>()
    for (const [name, bytes] of [
      ['a', 10],
      ['b', 10],
      ['c', 4],
      ['d', 4],
    ] as const)
      queue.put(item(name, bytes))
    expect(fill(queue)).toEqual([3, 12, 30])
    expect(fill(queue)).toEqual([1, 6, 6])
  })

  it('ends before one that is longer', () => {
    const queue = new DatagramQueue<Item>()
    queue.put(item('a', 10))
    queue.put(item('b', 11))
    expect([fill(queue), fill(queue)]).toEqual([
      [1, 12, 12],
      [1, 13, 13],
    ])
  })

  it('ends before one that goes elsewhere', () => {
    const queue = new DatagramQueue<Item>()
    for (const name of 'aab') queue.put(item(name))
    expect(fill(queue, (a, b) => a.name === b.name)).toEqual([2, 3, 6])
  })

  it('holds no more than the kernel cuts, and than fit', () => {
    const queue = new DatagramQueue<Item>({ items: 1000, bytes: 1 << 30 })
    for (let i = 0; i < 100; i++) queue.put(item('a'))
    expect(fill(queue)[0]).toBe(44)
    queue.clear()
    for (let i = 0; i < 20; i++) queue.put(item('a', 8000))
    expect(fill(queue)).toEqual([8, 8002, 8 * 8002])
  })

  it('of an empty queue is none', () => {
    expect(fillBatch(new DatagramQueue<Item>(), new TransmitBatch(), 2, write)).toBeUndefined()
  })
})
