/** The benchmarks as they are run, but short: each ends, prints what its schema says, and sees a wrong byte. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bulk } from '../../bench/bulk.ts'
import { compilerLack } from '../../bench/support/c-program.ts'
import { openPlace } from '../../bench/support/open-place.ts'
import type { Place } from '../../bench/support/place.ts'
import type { Report } from '../../bench/support/report.ts'
import { describeInLab } from '../support/lab/describe-in-lab.ts'

const DIST = new URL('../../dist/bench/', import.meta.url)
const SCHEMA = new URL('../../bench/outcome.schema.json', import.meta.url)

async function bench(...args: string[]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('index.js', DIST)), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [output, complaints, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { output, complaints, status }
}

describe('npm run bench', () => {
  const isValid = new Ajv({ strict: true }).compile(JSON.parse(readFileSync(SCHEMA, 'utf8')))

  async function reportOf(name: string): Promise<Report> {
    const { output, complaints, status } = await bench(name, '--json', '--seconds', '3', '--flows', '300')
    expect(status, complaints).toBe(0)
    const report: Report = JSON.parse(output.trimEnd().split('\n').at(-1)!)
    expect(isValid(report), JSON.stringify(isValid.errors)).toBe(true)
    expect(report.bench).toBe(name)
    return report
  }

  async function expectFigures(name: string, keys: readonly string[]): Promise<void> {
    const { ratios } = await reportOf(name)
    for (const key of keys) expect(ratios[key], key).toBeGreaterThan(0)
  }

  it.each([
    ['bulk', ['gbit serval:plain/node:net', 'gbit serval:plain-dgram/udx-native']],
    ['latency', ['p50us serval:plain/node:net', 'p99us serval:plain/node:dgram']],
    ['connect', ['persec serval:plain/node:net']],
    ['http', ['persec serval:plain/node:http']],
    ['sim', ['value serval@1%/twin@1%', 'value serval@jain/twin@jain']],
    ['hedge', ['p99ms serval/unhedged', 'p99ms serval@router/unhedged@router']],
    ['segments', ['ns serval@gathered/copy', 'ns serval@merged/copy']],
    ['flows', ['busyus serval@300/serval@1', 'descriptors serval@300/node:net@300']],
  ])('%s prints its figures beside those of its peers', expectFigures)

  describeInLab('in namespaces', () => {
    it.each([
      // With losses, so short a time may be that of a single retransmission time-out.
      ['loss', ['gbit serval:plain@0%/node:net@0%']],
      ['migrate', ['stallms serval/node:net', 'stallms serval@20ms/node:net@20ms']],
    ])('%s prints its figures beside those of its peers', expectFigures)

    it.runIf(compilerLack() === undefined)(
      'router prints its figures beside those of its peers',
      async () => {
        const { results } = await reportOf('router')
        // Whether there is a rate at which nothing is lost, in so short a time, is the machine's affair.
        for (const row of ['serval@8', 'mmsg-loop@8', 'serval@10000', 'mmsg-loop@10000']) {
          expect(results[row]?.kpps?.median, row).toBeGreaterThanOrEqual(0)
        }
      },
    )
  })

  it('says how it is used', async () => {
    const { complaints, status } = await bench()
    expect(status).toBe(2)
    expect(complaints).toContain('npm run bench -- NAME')
  })

  it.each([
    [['bulk', '--unknown'], "bench: Unknown option '--unknown'\n"],
    [['nothing'], /^bench: there is no benchmark 'nothing': all, bulk, .*\n$/],
    [['markdown', '/none'], /^bench: \/none cannot be read: ENOENT.*\n$/],
    [['markdown', fileURLToPath(import.meta.url)], /^bench: .* holds no report: .*\n$/],
  ])('%j ends with one line that names what is wrong', async (args, complaint) => {
    const { output, complaints, status } = await bench(...args)
    expect({ output, status }).toEqual({ output: '', status: 2 })
    expect(complaints).toMatch(complaint)
  })
})

describeInLab('the search of router', () => {
  it.runIf(compilerLack() === undefined)('ends where all is lost, and says so', async () => {
    const place = openPlace(new URL('peers/', DIST))
    try {
      const { left, right } = place.addresses
      const forwarder = place.start('right', 'forwarder', ['mmsg-loop', right, '54325', left[0], '7001'])
      await forwarder.event('ready')
      // The sink is at another port than the one to which all is sent on.
      const load = place.start('left', 'syn-load', [right, '54325', left[0], '7000', '8', '1'])
      expect(await load.event('done')).toMatchObject({ loss: 1, kpps: 0 })
      await Promise.all([load.stop(), forwarder.stop()])
    } finally {
      place.close()
    }
  })
})

describe('the verifier of bulk', () => {
  let place: Place
  beforeAll(() => {
    place = openPlace(new URL('peers/', DIST))
  })
  afterAll(() => place.close())

  it.each(bulk.rows)('of $name fails when one byte is wrong', async row => {
    const spoilt: Place = {
      ...place,
      name: place.name,
      addresses: place.addresses,
      start: (side, program, args, env) =>
        place.start(side, program, args, { ...env, BENCH_WRONG_BYTE: '1000' }),
    }
    const open = await row.open(spoilt)
    try {
      await expect(open.measure(1)).rejects.toThrow(/not what was sent/)
    } finally {
      await open.close()
    }
  })
})
