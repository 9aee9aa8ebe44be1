import { describe, expect, it } from 'vitest'
import { type Column, formatTable } from '../../../src/bin/table.ts'

interface Row {
  readonly service: string
  readonly pid: number
  readonly program: string
}

const columns: readonly Column<Row>[] = [
  { title: 'SERVICE', text: row => row.service, minWidth: 8 },
  { title: 'PID', text: row => String(row.pid), align: 'right' },
  { title: 'PROGRAM', text: row => row.program, dropOrder: 1 },
]
const rows: readonly Row[] = [
  { service: 'web.example', pid: 7, program: 'node' },
  { service: 'a.very.long.name.example', pid: 4711, program: 'file-server.js' },
]

describe('a table', () => {
  it('is as wide as what it holds, without trailing spaces', () => {
    expect(formatTable(rows, columns, Number.POSITIVE_INFINITY)).toEqual([
      'SERVICE                    PID  PROGRAM',
      'web.example                  7  node',
      'a.very.long.name.example  4711  file-server.js',
    ])
  })

  it('cuts flexible columns first where the terminal is narrow', () => {
    expect(formatTable(rows, columns, 36)).toEqual([
      'SERVICE          PID  PROGRAM',
      'web.example        7  node',
      'a.very.long.n…  4711  file-server.js',
    ])
  })

  it('leaves the least important column out where cutting is not enough, and says so', () => {
    expect(formatTable(rows, columns, 20)).toEqual([
      'SERVICE          PID',
      'web.example        7',
      'a.very.long.n…  4711',
      '(--json has also PR…',
    ])
  })

  it('keeps the columns that must be there, however narrow the terminal is', () => {
    expect(formatTable(rows, columns, 5)).toEqual([
      'SERVICE    PID',
      'web.exa…     7',
      'a.very.…  4711',
      '(--j…',
    ])
  })

  it('may have as many rows as there are rules', () => {
    const many = Array.from({ length: 200_000 }, (_, i) => ({ service: `s${i}`, pid: i, program: 'node' }))
    expect(formatTable(many, columns, 80)).toHaveLength(200_001)
  })

  it('has only its titles where there are no rows', () => {
    expect(formatTable([], columns, 80)).toEqual(['SERVICE  PID  PROGRAM'])
  })
})
