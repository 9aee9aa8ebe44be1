import { describe, expect, it } from 'vitest'
import { type Answer, answerOf, describeHop, endOf, type Hop, isVerdict } from '../../../src/bin/trace/hop.ts'
import { parseEndpoint } from '../../../src/wire/endpoint.ts'
import { reasonCodes } from '../../../src/wire/extensions/reason.ts'

const said = (code: number, detail = '', from = '10.0.0.254:54325', by = from) => {
  const [who, remote] = [parseEndpoint(from)!, parseEndpoint(by)!]
  return answerOf({ type: 'answered', from: who, remote, code, detail, rttMs: 1.5 })
}
const passed = (from: string, rttMs = 1): Answer => ({
  ...{ from, by: null, role: 'router', fate: 'passed', detail: '', rttMs },
})
const reached = (from: string): Answer => ({ ...passed(from), role: 'instance', fate: 'reached' })

/** Hops of one probe each. */
const way = (...probes: (Answer | null)[]): Hop[] =>
  probes.map((probe, i) => ({ hop: i + 1, probes: [probe] }))

describe('an answer', () => {
  it.each([
    [reasonCodes.HOP_LIMIT, 'router', 'passed'],
    [reasonCodes.LOOP, 'router', 'loop'],
    [reasonCodes.NO_SERVICE, 'router', 'no service'],
    [reasonCodes.DROPPED, 'router', 'dropped'],
    [reasonCodes.NO_ROUTE, 'router', 'no route'],
    [reasonCodes.TRACED, 'instance', 'reached'],
    [reasonCodes.UNSUPPORTED, 'instance', 'reached'],
    [reasonCodes.REFUSED, 'instance', 'refused'],
    [reasonCodes.DRAINING, 'instance', 'refused'],
    [200, 'instance', 'refused'],
  ])('with reason %i is of a %s: %s', (code, role, fate) => {
    expect(said(code)).toMatchObject({ from: '10.0.0.254:54325', by: null, role, fate, rttMs: 1.5 })
  })

  it('that was passed on is of the one who says so, not of the one who passed it on', () => {
    const [from, by] = ['10.0.1.9:54325', '10.0.0.254:54325']
    expect(said(reasonCodes.HOP_LIMIT, from, from, by)).toMatchObject({ from, by, detail: '' })
    const detail = 'until noon'
    expect(said(reasonCodes.DROPPED, detail, from, by)).toMatchObject({ from, by, detail })
    expect(said(reasonCodes.DROPPED, detail, by)).toMatchObject({ from: by, by: null, detail })
  })
})

describe('a way', () => {
  it('goes on behind routers and behind silence', () => {
    expect(endOf(way(passed('a:1'), null, passed('b:1')))).toBeUndefined()
    expect(endOf(way(null))).toBeUndefined()
    expect(endOf([])).toBeUndefined()
  })

  it('ends at an instance, even where another probe has failed', () => {
    expect(endOf(way(passed('a:1'), reached('b:1')))?.fate).toBe('reached')
    const mixed: Hop = { hop: 1, probes: [null, said(reasonCodes.NO_SERVICE), reached('b:1')] }
    expect(endOf([mixed])?.fate).toBe('reached')
  })

  it('has no hop more where its last router says why it does not send on', () => {
    const no = said(reasonCodes.NO_SERVICE, '', '10.0.0.2:1')
    expect(isVerdict(way(passed('10.0.0.1:1'), passed('10.0.0.2:1'), no), no)).toBe(true)
    expect(isVerdict(way(passed('10.0.0.1:1'), null, no), no)).toBe(false)
    expect(isVerdict(way(no), no)).toBe(false)
    const again = said(reasonCodes.LOOP, '', '10.0.0.2:1')
    expect(isVerdict(way(passed('10.0.0.2:1'), again), again)).toBe(false)
  })

  it('ends where a router says no, or comes again', () => {
    expect(endOf(way(said(reasonCodes.DROPPED)))?.fate).toBe('dropped')
    expect(endOf(way(passed('a:1'), passed('b:1'), passed('a:1')))).toMatchObject({
      from: 'a:1',
      fate: 'loop',
    })
  })
})

describe('the lines of a hop', () => {
  const lines = (hops: Hop[], width = 80) => describeHop(hops, width)

  it('say who and how long, a * for each probe without an answer', () => {
    const probes = [passed('10.0.0.254:54325', 0.42), null, passed('10.0.0.254:54325', 12.3)]
    expect(lines([{ hop: 3, probes }])).toEqual([' 3  10.0.0.254:54325       router    0.420 ms  12.3 ms  *'])
    expect(lines([{ hop: 10, probes: [null, null, null] }])).toEqual(['10  *  *  *'])
  })

  it('are one for each who has answered', () => {
    const probes = [passed('10.0.0.1:1'), passed('10.0.0.2:1'), passed('10.0.0.1:1', 2)]
    expect(lines([{ hop: 1, probes }])).toEqual([
      ' 1  10.0.0.1:1             router    1.00 ms  2.00 ms',
      '    10.0.0.2:1             router    1.00 ms',
    ])
  })

  it('name a loop by the hop at which the router was before', () => {
    const hops = way(passed('10.0.0.1:1'), passed('10.0.0.2:1'), passed('10.0.0.1:1'))
    expect(lines(hops)).toEqual([' 3  10.0.0.1:1             router    1.00 ms  (loop, it was hop 1)'])
    const told = way(passed('10.0.0.254:54325'), said(reasonCodes.LOOP))
    expect(lines(told)[0]).toContain('(loop, it was hop 1)')
  })

  it('say why a way ends', () => {
    expect(lines(way(said(reasonCodes.DROPPED, 'until noon')))[0]).toContain('(dropped; until noon)')
    expect(lines(way(said(reasonCodes.NO_SERVICE)))[0]).toContain('(no service)')
  })

  it('fit the width where the longest addresses and remarks stand', () => {
    const long = '[2001:db8:1234:5678:9abc:def0:1234:5678]:54325'
    const probe = { ...reached(long), by: '[2001:db8:1234:5678:9abc:def0:1234:5679]:54325' }
    const all = lines([{ hop: 9, probes: [probe, probe, probe] }])
    expect(all).toEqual([
      ` 9  ${long}  instance  1.00 ms  1.00 ms  1.00 ms`.replace(/ {2}1\.00.*/, ''),
      '    1.00 ms  1.00 ms  1.00 ms',
      '    (answer by way of [2001:db8:1234:5678:9abc:def0:1234:5679]:54325)',
    ])
    for (const line of all) expect(line.length).toBeLessThanOrEqual(80)
  })
})
