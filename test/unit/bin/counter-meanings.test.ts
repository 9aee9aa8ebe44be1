import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { meaningOf } from '../../../src/bin/counters/meanings.ts'
import { AllowList } from '../../../src/router/allow-list.ts'
import { newRouterCounters } from '../../../src/router/counters.ts'
import { Router2014 } from '../../../src/router/router-2014.ts'
import { wireErrors } from '../../../src/wire/wire-error.ts'

const SRC = join(import.meta.dirname, '../../../src')
const COUNTING = /(?:count|dropped)\(([^)]*)\)/gi
const WORD = /'(\w+)'/g

/** Those that the sources count by name: in what `count` and `dropped` are called with. */
function countersIn(folder: string): string[] {
  return readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .flatMap(name => [...readFileSync(join(SRC, folder, name), 'utf8').matchAll(COUNTING)])
    .flatMap(([, argument = '']) => [...argument.matchAll(WORD)])
    .map(([, counter]) => counter!)
}

describe('the meaning of a counter', () => {
  it('is known of all that a program counts', () => {
    const counted = [...countersIn('sal'), ...countersIn('flow'), ...countersIn('net')]
    expect(counted.length).toBeGreaterThan(40)
    const codes = Object.values(wireErrors).map(({ code }) => code)
    const families = [...codes.map(code => `datagram:${code}`), 'send:EPERM', 'connection:CLOSED:fin']
    const unknown = [...counted, ...codes, ...families].filter(counter => meaningOf(counter) === undefined)
    expect([...new Set(unknown)]).toEqual([])
  })

  it('is known of all that a router counts, of either profile', () => {
    const randomBytes = (n: number) => new Uint8Array(n)
    const parts = { randomBytes, allowed: AllowList.everybody, exitTowards: () => undefined }
    const { counters } = new Router2014(parts)
    const all = [...Object.keys(newRouterCounters()), ...Object.keys(counters), 'linkFull', 'sendErrors']
    expect(all.filter(counter => meaningOf(counter) === undefined)).toEqual([])
  })

  it('is not made up', () => {
    expect(meaningOf('nonsense')).toBeUndefined()
    expect(meaningOf('nonsense:of:any')).toBeUndefined()
    expect(meaningOf('constructor')).toBeUndefined()
  })
})
