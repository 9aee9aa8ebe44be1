import { describe, expect, it } from 'vitest'
import type { ControlRule } from '../../../src/control/messages.ts'
import { ControlRules } from '../../../src/net/control-rules.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { endpoints, named } from '../../support/control-world.ts'

const MANY = 2000

const rule = (name: string, instance: number): ControlRule => ({
  ...named(name),
  instance: String(instance).repeat(32),
  endpoints: endpoints(`10.0.0.${instance}:7`),
  weight: 1,
  priority: 1,
})
const many = (instance: number) => Array.from({ length: MANY }, (_, i) => rule(`s${i}.example`, instance))

function world() {
  const table = new ServiceTable()
  const changed: string[] = []
  const steps: { rests: number; during: () => void } = { rests: 0, during: () => undefined }
  const rules = new ControlRules({
    table,
    isReachable: () => true,
    onChanged: prefix => changed.push(prefix.toString()),
    rest: async () => {
      steps.rests++
      steps.during()
    },
  })
  const servedBy = (name: string) =>
    table.find(named(name).prefix)?.serving.map(({ endpoint }) => formatEndpoint(endpoint)) ?? []
  return { table, rules, changed, steps, servedBy }
}

describe('rules of a controller', () => {
  it('are in force at once where they are few', () => {
    const { rules, servedBy, changed } = world()
    void rules.apply([], [rule('web.example', 1)])
    void rules.apply([], [rule('web.example', 2)])
    expect(servedBy('web.example')).toEqual(['10.0.0.1:7', '10.0.0.2:7'])
    expect(changed).toHaveLength(2)
  })

  it('come in slices where they are many, and all of them', async () => {
    const { rules, table, steps } = world()
    const sizes: number[] = []
    steps.during = () => {
      sizes.push(table.size)
    }
    await rules.apply([], many(1))
    expect(table.size).toBe(MANY)
    expect(Math.max(...sizes.map((size, i) => size - (sizes[i - 1] ?? 0)))).toBeLessThanOrEqual(100)
    expect(steps.rests).toBeGreaterThan(MANY / 100 - 1)
  })

  it('never leave a service without an instance while another takes its place', async () => {
    const { rules, steps, servedBy } = world()
    await rules.apply([], many(1))
    let fewest = Number.POSITIVE_INFINITY
    steps.during = () => {
      for (let i = 0; i < MANY; i += 97) fewest = Math.min(fewest, servedBy(`s${i}.example`).length)
    }
    await rules.apply(many(1), many(2))
    expect(fewest).toBe(1)
    expect(servedBy('s0.example')).toEqual(['10.0.0.2:7'])
    expect(servedBy(`s${MANY - 1}.example`)).toEqual(['10.0.0.2:7'])
  })

  it('end as was said last, whatever was still waiting', async () => {
    const { rules, table, servedBy } = world()
    const first = rules.apply([], many(1))
    const second = rules.apply(many(1), [rule(`s${MANY - 1}.example`, 3)])
    await Promise.all([first, second])
    expect(table.size).toBe(1)
    expect(servedBy(`s${MANY - 1}.example`)).toEqual(['10.0.0.3:7'])
  })
})
