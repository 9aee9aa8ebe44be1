import { describe, expect, it } from 'vitest'
import type { RuleOrigin } from '../../../src/service/rule.ts'
import { rulesOf } from '../../../src/service/rule-lines.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'

/** What the table shows of rules that were put in, each by an origin. */
function shown(...rules: [text: string, source: RuleOrigin['source'], owner?: string][]): string[] {
  const table = new ServiceTable()
  for (const [text, source, owner = ''] of rules) {
    const { prefix, pattern, rule } = parseRule(text)
    table.insert(prefix, rule, { source, owner, name: pattern })
  }
  return table
    .entries()
    .flatMap(({ name, targets }) => rulesOf(name, targets))
    .map(({ source, owner, text }) => `${source}${owner && `/${owner}`} ${text}`)
}

describe('the rules of an entry', () => {
  it.each([
    'web.example FORWARD balance=maglev eject=5 10.0.0.1:5000 weight 2, [fd00::1]:5000 priority 3',
    'web.example FORWARD 10.0.0.1:5000 stream weight 2, 10.0.0.1:5000 datagram, 10.0.0.2:5000',
    'web.example DEMUX 3 stream',
    'web.example DEMUX 3 datagram shared',
    'web.example DELAY',
    'web.example DROP moved away',
    'default FORWARD 10.0.0.1:54325',
  ])('are those that made it: %s', text => {
    expect(shown([text, 'user'])).toEqual([`user ${text}`])
  })

  it('gather the targets of one origin and policy, and keep others apart', () => {
    expect(
      shown(
        ['web.example FORWARD 10.0.0.1:5000', 'user'],
        ['web.example FORWARD 10.0.0.2:5000', 'controller', 'a'],
        ['web.example FORWARD 10.0.0.3:5000', 'controller', 'b'],
        ['web.example FORWARD 10.0.0.4:5000', 'user'],
        ['web.example FORWARD eject=3 10.0.0.5:5000', 'user'],
      ),
    ).toEqual([
      'user web.example FORWARD 10.0.0.1:5000, 10.0.0.4:5000',
      'controller/a web.example FORWARD 10.0.0.2:5000',
      'controller/b web.example FORWARD 10.0.0.3:5000',
      'user web.example FORWARD eject=3 10.0.0.5:5000',
    ])
  })
})
