/** SYNs of one flow at a router that remembers nothing: each goes to another instance. */
import { describe, expect, it } from 'vitest'
import { serviceIdOf } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { affinityOf } from '../../../src/service/balance/affinity.ts'
import { resolveAttempt, uniformOfAttempt } from '../../../src/service/resolve-attempt.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { protocols } from '../../../src/wire/sal-header.ts'

const SERVICE = serviceIdOf('web.example')
const FLOWS = Array.from({ length: 2_000 }, (_, i) => 0x10000 * i + 7)
const HOPS = 32

function tableOf(rule: string): ServiceTable {
  const table = new ServiceTable()
  const parsed = parseRule(`web.example FORWARD ${rule}`)
  table.insert(new ServicePrefix(SERVICE, 256), parsed.rule, { source: 'user' })
  return table
}

/** The ports, as which targets are told apart, that a flow's attempts go to. */
function asked(table: ServiceTable, flowId: number, attempts: readonly number[], hops = HOPS): number[] {
  return attempts.map(attempt => {
    const target = resolveAttempt(table, SERVICE, protocols.STREAM, 100, attempt, n => ({
      uniform: uniformOfAttempt(flowId, hops, n),
      nowMs: 0,
      affinity: () => affinityOf(`10.0.0.${flowId % 251}`, SERVICE),
      isNear: () => false,
    }))
    return target?.type === 'FORWARD' ? target.endpoint.port : 0
  })
}

const share = (ports: readonly number[], port: number) =>
  ports.filter(other => other === port).length / ports.length

describe('the attempts of a flow', () => {
  it.each(['random', 'least-loaded', 'peak-ewma', 'maglev', 'locality'])(
    'go to one target after the other under %s',
    balance => {
      const table = tableOf(`balance=${balance} 10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3 weight 4`)
      for (const flowId of FLOWS.slice(0, 200)) {
        const ports = asked(table, flowId, [1, 2, 3])
        expect(new Set(ports).size).toBe(3)
        // Nothing is remembered: whoever knows the same, and is asked for one of them alone, says the same.
        expect(
          asked(tableOf(`balance=${balance} 10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3 weight 4`), flowId, [3]),
        ).toEqual([ports[2]])
      }
    },
  )

  it('go by the weights of the targets', () => {
    const table = tableOf('10.0.0.1:1, 10.0.0.1:2 weight 3')
    const first = FLOWS.flatMap(flowId => asked(table, flowId, [1]))
    expect(share(first, 2)).toBeGreaterThan(0.7)
    expect(share(first, 2)).toBeLessThan(0.8)
  })

  it('go to those of lower priority when all of the higher have been asked', () => {
    const table = tableOf('10.0.0.1:1 priority 2, 10.0.0.1:2 priority 2, 10.0.0.1:3')
    for (const flowId of FLOWS.slice(0, 50)) expect(asked(table, flowId, [1, 2, 3])[2]).toBe(3)
  })

  it('begin again after eight, however many are claimed', () => {
    const table = tableOf('balance=maglev 10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3')
    expect(asked(table, 5, [9, 17, 249, 255])).toEqual(asked(table, 5, [1, 1, 1, 7]))
  })

  it('take no turn of others where targets take turns, and two of the later ones are two', () => {
    const table = tableOf('balance=round-robin 10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3')
    const turns = FLOWS.slice(0, 30).flatMap(flowId => {
      const [first, second, third] = asked(table, flowId, [1, 2, 3])
      expect(second).not.toBe(third)
      return [first]
    })
    expect(turns.slice(3)).toEqual(turns.slice(0, -3))
  })

  it('are shared anew at the next router: not all that come by one go by one', () => {
    const table = tableOf('10.0.0.1:1, 10.0.0.1:2')
    const there = FLOWS.filter(flowId => asked(table, flowId, [1])[0] === 1)
    const next = there.flatMap(flowId => asked(table, flowId, [1], HOPS - 1))
    expect(share(next, 1)).toBeGreaterThan(0.45)
    expect(share(next, 1)).toBeLessThan(0.55)
  })

  it('are counted once each, and those that are only made again not at all', () => {
    const table = tableOf('10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3')
    asked(table, 9, [1, 2, 3])
    const targets = table.lookup(SERVICE)?.targets ?? []
    expect(targets.map(({ counters }) => counters.packets)).toEqual([1, 1, 1])
  })
})
