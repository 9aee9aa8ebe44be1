/** Control numbers: each bound to its packet, acknowledged in order, kept ahead, answered again. */
import { describe, expect, it } from 'vitest'
import { AHEAD_LIMIT, ControlChannel } from '../../../src/flow/control-channel.ts'
import { serialAdd } from '../../../src/id/serial.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

/** Our numbers begin at 100, the peer's at 200. */
function channel(first = 100, peerFirst = 199): ControlChannel<string> {
  const made = new ControlChannel<string>(first)
  made.start(peerFirst)
  return made
}

describe('our numbers', () => {
  it('are taken one by one by SYN, RSYN and FIN, and wrap', () => {
    const { queue, numbers } = (() => {
      const made = channel(0xfffffffe)
      return { queue: made, numbers: (['SYN', 'RSYN', 'FIN'] as const).map(kind => made.queue(kind).verno) }
    })()
    expect(numbers).toEqual([0xfffffffe, 0xffffffff, 0])
    expect(queue.verno).toBe(1)
  })

  it('are acknowledged up to, in order', () => {
    const made = channel()
    for (const kind of ['SYN', 'RSYN', 'FIN'] as const) made.queue(kind)
    expect(made.acknowledge(100)).toEqual([])
    expect(made.acknowledge(102)?.map(({ kind }) => kind)).toEqual(['SYN', 'RSYN'])
    expect(made.acknowledge(101)).toEqual([])
    expect(made.outstanding.map(({ kind }) => kind)).toEqual(['FIN'])
    expect(made.acknowledge(103)?.map(({ kind }) => kind)).toEqual(['FIN'])
  })

  it('that were never sent cannot be acknowledged', () => {
    const made = channel()
    made.queue('SYN')
    expect(made.acknowledge(102)).toBeUndefined()
    expect(made.outstanding).toHaveLength(1)
  })
})

describe('the peer’s numbers', () => {
  it('are unknown until its first packet', () => {
    const made = new ControlChannel<string>(1)
    expect([made.peerKnown, made.ackno]).toEqual([false, 0])
    made.start(0xffffffff)
    expect([made.peerKnown, made.ackno]).toEqual([true, 0])
  })

  it('are delivered in order, whatever order they come in', () => {
    const made = channel()
    const delivered: string[] = []
    const accept = (verno: number) => made.accept(verno, `p${verno}`, packet => delivered.push(packet))
    expect([accept(202), accept(201), accept(204)]).toEqual(['ahead', 'ahead', 'ahead'])
    expect(delivered).toEqual([])
    expect(accept(200)).toBe('next')
    expect(delivered).toEqual(['p200', 'p201', 'p202'])
    expect(made.ackno).toBe(203)
    expect(made.aheadCount).toBe(1)
    expect(accept(203)).toBe('next')
    expect(delivered).toEqual(['p200', 'p201', 'p202', 'p203', 'p204'])
  })

  it('that came already are repeats, and are not delivered again', () => {
    const made = channel()
    const delivered: string[] = []
    made.accept(200, 'first', packet => delivered.push(packet))
    expect(made.accept(200, 'again', packet => delivered.push(packet))).toBe('repeat')
    expect(made.accept(199, 'SYN', packet => delivered.push(packet))).toBe('repeat')
    expect(delivered).toEqual(['first'])
  })

  it('are kept up to eight ahead, and no further', () => {
    const made = channel()
    const accept = (verno: number) => made.accept(verno, 'x', () => undefined)
    expect(accept(200 + AHEAD_LIMIT)).toBe('ahead')
    expect(accept(200 + AHEAD_LIMIT + 1)).toBe('tooFar')
    for (let verno = 200; verno <= 220; verno++) if (verno !== 200) accept(verno)
    expect(made.aheadCount).toBe(AHEAD_LIMIT)
  })

  it('come through any order, loss and repetition once each', () => {
    const random = new Random(testSeed)
    const first = random.uint32()
    const made = new ControlChannel<number>(0)
    made.start(first)
    const delivered: number[] = []
    for (let tries = 0; delivered.length < 200 && tries < 100_000; tries++) {
      const at = random.below(delivered.length + 12)
      made.accept(serialAdd(first, 1 + at), at, packet => delivered.push(packet))
    }
    expect(delivered.slice(0, 200), replay('test/unit/flow/control-channel.test.ts')).toEqual(
      Array.from({ length: 200 }, (_, i) => i),
    )
  })
})
