/** What a flow owes in control packets: one of a kind for each path, whatever is asked of it. */
import { describe, expect, it } from 'vitest'
import { type Due, OUTBOX_LIMIT, Outbox } from '../../../src/flow/outbox.ts'
import { Path } from '../../../src/flow/path.ts'
import { TransportPath } from '../../../src/transport/path.ts'
import { endpoint } from '../../../src/wire/endpoint.ts'

const path = (id: number) =>
  new Path(
    { id, endpoint: endpoint('10.0.0.1', id), prefixBits: 24, mtu: 1500 },
    endpoint('10.0.0.2', 1),
    new TransportPath({ id, mss: 1000 }),
  )
const [home, away] = [path(1), path(2)]
const entry = (verno: number) => ({ kind: 'RSYN' as const, verno, transmissions: 0, sentAt: 0 })

function taken(...dues: readonly Due[]): Due[] {
  const outbox = new Outbox()
  for (const due of dues) outbox.put(due)
  const out: Due[] = []
  for (let due = outbox.take(); due; due = outbox.take()) out.push(due)
  return out
}

describe('the outbox', () => {
  it('gives back what was put in, first in first out', () => {
    const dues: Due[] = [
      { kind: 'RSYN_ACK', path: away },
      { kind: 'ACK', path: home },
    ]
    expect(taken(...dues)).toEqual(dues)
  })

  it('holds one of a kind for each path', () => {
    const ack = { kind: 'ACK', path: home } as const
    expect(taken(ack, ack, { kind: 'ACK', path: away }, ack)).toHaveLength(2)
  })

  it('does not lose an echo to a plain ACK, but to a newer echo', () => {
    const plain = { kind: 'ACK', path: home } as const
    const [older, newer] = [1, 2].map(n => ({ ...plain, echo: Uint8Array.of(n) }))
    expect(taken(older!, plain)).toEqual([older])
    expect(taken(plain, older!)).toEqual([older])
    expect(taken(older!, newer!)).toEqual([newer])
  })

  it('holds each numbered packet by itself', () => {
    const [first, second] = [entry(1), entry(2)]
    const rsyn = (of: ReturnType<typeof entry>) => ({ kind: 'RSYN', path: home, entry: of }) as const
    expect(taken(rsyn(first), rsyn(second), rsyn(first))).toEqual([rsyn(first), rsyn(second)])
  })

  it('is never longer than its cap, however many paths ask', () => {
    const outbox = new Outbox()
    for (let id = 0; id < 10 * OUTBOX_LIMIT; id++) outbox.put({ kind: 'ACK', path: path(id) })
    expect(outbox.size).toBe(OUTBOX_LIMIT)
  })

  it('forgets all but what is named', () => {
    const outbox = new Outbox()
    outbox.put({ kind: 'ACK', path: home })
    outbox.put({ kind: 'RST', path: home, reason: 10 })
    outbox.clear(due => due.kind === 'RST')
    expect(outbox.take()?.kind).toBe('RST')
    expect(outbox.take()).toBeUndefined()
  })
})
