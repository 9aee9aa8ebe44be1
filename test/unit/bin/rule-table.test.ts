import { describe, expect, it } from 'vitest'
import { rowsOf, ruleColumns } from '../../../src/bin/rules/rule-table.ts'
import type { RuleStatus, TargetStatus } from '../../../src/net/rule-status.ts'

const target = (to: string, packets: number, policy = ''): TargetStatus => ({
  ...{ source: 'user', owner: '', type: 'FORWARD', to, weight: 1, priority: 1, policy },
  ...{ state: 'serving', expiresInMs: null, packets, bytes: 0, drops: 0 },
})
const status = (packets: number, ...targets: TargetStatus[]): RuleStatus => ({
  ...{ pattern: 'web.example', prefix: 'x-0', packets, bytes: 0, drops: 0, rules: [], targets },
})
const shown = (rule: RuleStatus) => rowsOf(rule, 1).map(({ pattern, to, packets }) => [pattern, to, packets])

describe('the rows of a rule', () => {
  it('are one for one target, and one more for several', () => {
    expect(shown(status(7, target('a', 7)))).toEqual([['web.example', 'a', 7]])
    expect(shown(status(7, target('a', 3), target('b', 4)))).toEqual([
      ['web.example', '2 targets', 7],
      ['', 'a', 3],
      ['', 'b', 4],
    ])
  })

  it('give no target what others got that are gone', () => {
    expect(shown(status(7, target('b', 0)))).toEqual([
      ['web.example', '1 target, and gone ones', 7],
      ['', 'b', 0],
    ])
  })

  it('have a column for policies where there is one', () => {
    const titles = (...policies: string[]) => {
      const rows = policies.flatMap(policy => rowsOf(status(0, target('a', 0, policy)), 1))
      return ruleColumns(rows, false).map(({ title }) => title)
    }
    expect(titles('', 'to=all')).toContain('POLICY')
    expect(titles('', '')).not.toContain('POLICY')
  })
})
