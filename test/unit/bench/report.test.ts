/** What a run of a benchmark comes to: which rows are measured when, which are compared, and how it is printed. */
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { afresh, type Benchmark, type Row, runBenchmark } from '../../../bench/support/benchmark.ts'
import { describeMachine } from '../../../bench/support/environment.ts'
import { markdownOf, reportsIn } from '../../../bench/support/markdown.ts'
import type { Place } from '../../../bench/support/place.ts'
import type { Report } from '../../../bench/support/report.ts'

const loopback = { name: 'loopback' } as Place
const veth = { name: 'veth' } as Place

/** Rows that "measure" the figures they are given, in turn, and a log of what they were asked for. */
function rowsOf(figures: Record<string, number[]>, peers: readonly string[], log: string[] = []): Row[] {
  return Object.entries(figures).map(([name, values]) => {
    const left = [...values]
    return {
      name,
      isPeer: peers.includes(name),
      open: () => {
        log.push(`open ${name}`)
        return Promise.resolve({
          measure: seconds => {
            log.push(`${name} ${seconds}`)
            return Promise.resolve({ persec: left.shift()! })
          },
          settle: async () => void log.push(`settle ${name}`),
          close: async () => void log.push(`close ${name}`),
        })
      },
    }
  })
}

const fake = (rows: readonly Row[], more: Partial<Benchmark> = {}): Benchmark => ({
  name: 'fake',
  about: 'nothing',
  secondsPerRow: 1,
  rounds: 2,
  rows,
  ...more,
})

describe('a benchmark', () => {
  it('measures its rows in turn, every other round backwards', async () => {
    const log: string[] = []
    const rows = rowsOf({ serval: [1, 2], 'node:net': [2, 8] }, ['node:net'], log)
    const { results, ratios, rounds } = await runBenchmark(fake(rows), veth, { seconds: 60 })
    expect(log.filter(line => line.endsWith(' 1'))).toEqual([
      'serval 1',
      'node:net 1',
      'node:net 1',
      'serval 1',
    ])
    expect(rounds).toBe(2)
    expect(results['node:net']).toEqual({ persec: { median: 5, min: 2, max: 8 } })
    expect(ratios).toEqual({ 'persec serval/node:net': 0.375 })
  })

  it('keeps the programs of a row from round to round, and lets each settle before the next is measured', async () => {
    const log: string[] = []
    const rows = rowsOf({ serval: [1, 2], 'node:net': [2, 8] }, ['node:net'], log)
    await runBenchmark(fake(rows), veth, { seconds: 60 })
    expect(log.slice(0, 6)).toEqual([
      'open serval',
      'open node:net',
      'serval 1',
      'settle serval',
      'node:net 1',
      'settle node:net',
    ])
    expect(log.slice(-2)).toEqual(['close serval', 'close node:net'])
  })

  it('ends the programs of all rows when one fails', async () => {
    const log: string[] = []
    const [good] = rowsOf({ serval: [1] }, [], log) as [Row]
    const bad: Row = { name: 'bad', isPeer: true, open: () => Promise.reject(new Error('no such program')) }
    await expect(runBenchmark(fake([good, bad]), veth, { seconds: 60 })).rejects.toThrow('no such program')
    expect(log).toEqual(['open serval', 'close serval'])
  })

  it('lets every row warm up before the first round, and says apart what it did then', async () => {
    const log: string[] = []
    const told: string[] = []
    const rows = rowsOf({ serval: [1, 10, 12], 'node:net': [4, 20, 12] }, ['node:net'], log)
    const onRow = (round: number, row: string) => told.push(`${round} ${row}`)
    const warm = fake(rows, { warmUpSeconds: 3 })
    const { results, ratios } = await runBenchmark(warm, veth, { seconds: 60, onRow })
    expect(told.slice(0, 3)).toEqual(['0 serval', '0 node:net', '1 serval'])
    expect(log.filter(line => line.endsWith(' 3'))).toEqual(['serval 3', 'node:net 3'])
    expect(results.serval).toEqual({
      persec: { median: 11, min: 10, max: 12 },
      coldpersec: { median: 1, min: 1, max: 1 },
    })
    expect(ratios).toEqual({ 'persec serval/node:net': 0.75, 'coldpersec serval/node:net': 0.25 })
  })

  it('measures once, though starting and warming up has taken all the time', async () => {
    const { rounds } = await runBenchmark(fake(rowsOf({ serval: [1, 2] }, [])), veth, { seconds: 0 })
    expect(rounds).toBe(1)
  })

  it('says which row it measures', async () => {
    const told: string[] = []
    const rows = rowsOf({ serval: [1, 2] }, [])
    const onRow = (round: number, row: string) => told.push(`${round} ${row}`)
    await runBenchmark(fake(rows), veth, { seconds: 60, onRow })
    expect(told).toEqual(['1 serval', '2 serval'])
  })

  it('compares rows of one parameter, and what else it is told to', async () => {
    const figures = { 'serval@1': [4], 'serval@9': [8], 'node:net@1': [2], 'node:net@9': [2] }
    const rows = rowsOf(figures, ['node:net@1', 'node:net@9'])
    const comparisons = [['serval@9', 'serval@1']] as const
    const { ratios } = await runBenchmark(fake(rows, { rounds: 1, comparisons }), veth, { seconds: 60 })
    expect(ratios).toEqual({
      'persec serval@1/node:net@1': 2,
      'persec serval@9/node:net@9': 4,
      'persec serval@9/serval@1': 2,
    })
  })

  it('has no ratio where nothing can be divided by', async () => {
    const rows = rowsOf({ serval: [1], 'node:net': [0] }, ['node:net'])
    const { ratios } = await runBenchmark(fake(rows, { rounds: 1 }), veth, { seconds: 60 })
    expect(ratios).toEqual({})
  })

  it('leaves out on loopback what needs namespaces', async () => {
    const rows = rowsOf({ serval: [1], 'node:net': [1] }, []).map(row => ({
      ...row,
      needsNamespaces: row.name === 'serval',
    }))
    const { results } = await runBenchmark(fake(rows, { rounds: 1 }), loopback, { seconds: 60 })
    expect(Object.keys(results)).toEqual(['node:net'])
  })

  it('says what it needs where none of its rows can be measured', async () => {
    const rows = rowsOf({ serval: [1] }, []).map(row => ({ ...row, needsNamespaces: true }))
    await expect(runBenchmark(fake(rows), loopback, { seconds: 60 })).rejects.toThrow(
      'fake needs network namespaces',
    )
  })

  it('gives each row less time where there is little, and begins no round that cannot end', async () => {
    const asked: number[] = []
    const row: Row = {
      name: 'serval',
      isPeer: false,
      open: afresh((_place, seconds) => {
        asked.push(seconds)
        return Promise.resolve({ persec: 1 })
      }),
    }
    const never = fake([row, { ...row, name: 'serval@2' }], { rounds: 1, warmUpSeconds: 1 })
    await runBenchmark(never, veth, { seconds: 1 })
    expect(asked).toEqual([0.25, 0.25, 0.25, 0.25])
  })
})

const report: Report = {
  bench: 'fake',
  environment: { ...describeMachine(), place: 'veth', rounds: 2, cpu: { busy: 0.5, steal: 0 } },
  results: {
    'serval:plain': { persec: { median: 2, min: 1, max: 3 } },
    'node:net': { persec: { median: 4, min: 4, max: 4 } },
  },
  ratios: { 'persec serval:plain/node:net': 0.5 },
}

describe('a report', () => {
  const schema = JSON.parse(
    readFileSync(new URL('../../../bench/outcome.schema.json', import.meta.url), 'utf8'),
  )
  const isValid = new Ajv({ strict: true }).compile(schema)

  it('fits the schema', () => {
    expect(isValid(report), JSON.stringify(isValid.errors)).toBe(true)
  })

  it('does not fit it without a median, or with a ratio of nothing', () => {
    expect(isValid({ ...report, results: { a: { persec: { min: 1, max: 1 } } } })).toBe(false)
    expect(isValid({ ...report, ratios: { persec: 1 } })).toBe(false)
    expect(isValid({ ...report, ratios: { 'persec a/b': null } })).toBe(false)
  })

  it('is found among the tables that it was printed with', () => {
    expect(reportsIn(`fake: nothing\n\nrow metric\n${JSON.stringify(report)}\n`)).toEqual([report])
  })

  it('is two tables of Markdown: figures, and ratios', () => {
    const lines = markdownOf([report]).split('\n')
    expect(lines[0]).toBe('### fake')
    expect(lines).toContain('| serval:plain | 2.00 (1.00 to 3.00) |')
    expect(lines).toContain('| node:net | 4.00 |')
    expect(lines).toContain('| ratio to | node:net |')
    expect(lines).toContain('| persec serval:plain | 0.500 |')
  })
})
