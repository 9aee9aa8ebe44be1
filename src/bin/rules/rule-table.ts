/** The rules of a process as a table for people: a row a target, with its origin and counters. */
import type { RuleStatus, TargetStatus } from '../../net/rule-status.ts'
import type { Column } from '../table.ts'
import { count, formatBytes } from '../units.ts'

export interface RuleRow {
  readonly pid: number
  readonly pattern: string
  readonly action: string
  readonly to: string
  readonly share: string
  readonly policy: string
  readonly origin: string
  readonly state: string
  readonly packets: number
  readonly bytes: number
  readonly drops: number
}

/** Where several targets share, or others are gone that got something, there is a row for all of them too. */
export function rowsOf({ pattern, targets, packets, bytes, drops }: RuleStatus, pid: number): RuleRow[] {
  const [first, ...others] = targets.map(target => rowOf(target, pid))
  if (first === undefined) return []
  const isAll = first.packets === packets && first.drops === drops
  if (others.length === 0 && isAll) return [{ ...first, pattern }]
  const hasMore = packets > targets.reduce((sum, target) => sum + target.packets, 0)
  const to = `${count(targets.length, 'target')}${hasMore ? ', and gone ones' : ''}`
  const blank = { action: '', share: '', policy: '', origin: '', state: '' }
  const whole = { ...blank, pid, pattern, to, packets, bytes, drops }
  return [whole, first, ...others]
}

/** PID only of several processes, POLICY only where a rule has one. */
export function ruleColumns(rows: readonly RuleRow[], ofSeveral: boolean): readonly Column<RuleRow>[] {
  const hasPolicy = rows.some(({ policy }) => policy !== '')
  return [
    { title: 'PATTERN', text: row => row.pattern, minWidth: 12 },
    { title: 'ACTION', text: row => row.action },
    { title: 'TO', text: row => row.to, minWidth: 15 },
    { title: 'SHARE', text: row => row.share, dropOrder: 2 },
    ...(hasPolicy
      ? [{ title: 'POLICY', text: (row: RuleRow) => row.policy, minWidth: 12, dropOrder: 4 } as const]
      : []),
    { title: 'ORIGIN', text: row => row.origin, dropOrder: 3 },
    { title: 'STATE', text: row => row.state, dropOrder: 1 },
    { title: 'PACKETS', text: row => String(row.packets), align: 'right' },
    { title: 'BYTES', text: row => formatBytes(row.bytes), align: 'right', dropOrder: 5 },
    { title: 'DROPS', text: row => String(row.drops), align: 'right' },
    ...(ofSeveral
      ? [{ title: 'PID', text: (row: RuleRow) => String(row.pid), align: 'right' } as const]
      : []),
  ]
}

/** By the bits of their prefixes, a shorter one before those that it covers. */
export function inOrder(entries: readonly RuleStatus[]): RuleStatus[] {
  const keyed = entries.map(entry => {
    const [id = '', bits = '256'] = entry.prefix.split('/')
    return { entry, key: `${id}/${bits.padStart(3, '0')}` }
  })
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return keyed.map(({ entry }) => entry)
}

function rowOf(target: TargetStatus, pid: number): RuleRow {
  const { type, to, weight, priority, policy, source, state, packets, bytes, drops } = target
  return {
    pid,
    pattern: '',
    action: type,
    to: to === '' ? '-' : to,
    share: weight === null ? '-' : priority === 1 ? String(weight) : `${weight}, priority ${priority}`,
    policy,
    origin: source,
    state: type === 'FORWARD' ? state : '-',
    ...{ packets, bytes, drops },
  }
}
