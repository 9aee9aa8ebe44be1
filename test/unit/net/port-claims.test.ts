import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PortClaims, type PortHold, type PortOutcome } from '../../../src/net/port-claims.ts'

let directory: string
const holds: PortHold[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'serval-test-'))
})
afterEach(() => {
  for (const hold of holds.splice(0)) hold.release()
  rmSync(directory, { recursive: true })
})

/** Takes ports until the test is over; what another holds, or `held`. */
async function take(claims: PortClaims, ...keys: string[]): Promise<string> {
  const outcome = await claims.take(keys)
  if (isHold(outcome)) holds.push(outcome)
  return isHold(outcome) ? 'held' : typeof outcome === 'object' ? outcome.taken : outcome
}

function isHold(outcome: PortOutcome): outcome is PortHold {
  return typeof outcome === 'object' && 'release' in outcome
}

describe.runIf(process.platform === 'linux')('a port of this host', () => {
  it('is held by one at a time, and free again when that lets go of it', async () => {
    const [one, other] = [new PortClaims('host', directory), new PortClaims('host', directory)]
    expect(await take(one, 'stream 8080')).toBe('held')
    expect(await take(other, 'stream 8080')).toBe('stream 8080')
    expect(await take(one, 'stream 8080')).toBe('stream 8080')
    holds.pop()!.release()
    expect(await take(other, 'stream 8080')).toBe('held')
  })

  it('is held by exactly one of many that ask at once', async () => {
    const all = Array.from({ length: 50 }, () => new PortClaims('host', directory))
    const outcomes = await Promise.all(all.map(claims => take(claims, 'stream 8080')))
    expect(outcomes.filter(outcome => outcome === 'held')).toHaveLength(1)
  })

  it('is held with all of its names or with none', async () => {
    const claims = new PortClaims('host', directory)
    await take(claims, 'b')
    expect(await take(claims, 'a', 'b', 'c')).toBe('b')
    expect(await take(claims, 'a', 'c')).toBe('held')
  })

  it('may be held beside those that are held already, and let go of alone', async () => {
    const [one, other] = [new PortClaims('host', directory), new PortClaims('host', directory)]
    await take(one, 'a')
    const [hold] = holds
    expect(await Promise.all([hold!.add('b'), hold!.add('a')])).toEqual([true, true])
    expect(await take(other, 'b')).toBe('b')
    hold!.drop('b')
    expect(await take(other, 'b')).toBe('held')
    expect(await hold!.add('b')).toBe(false)
    expect(await take(other, 'a')).toBe('a')
  })

  it('is not held by who let go of all while it was asked for', async () => {
    const [one, other] = [new PortClaims('host', directory), new PortClaims('host', directory)]
    await take(one, 'a')
    const adding = holds[0]!.add('b')
    holds[0]!.release()
    await adding
    expect(await take(other, 'a', 'b')).toBe('held')
  })

  it('is another one for another protocol, host or runtime directory', async () => {
    const claims = new PortClaims('host', directory)
    expect(await take(claims, 'stream 8080', 'datagram 8080')).toBe('held')
    expect(await take(new PortClaims('other', directory), 'stream 8080')).toBe('held')
    expect(await take(new PortClaims('host', tmpdir()), `stream ${directory}`)).toBe('held')
  })

  it('is the same one however its runtime directory is written', async () => {
    const link = `${directory}-link`
    symlinkSync(directory, link)
    try {
      await take(new PortClaims('host', directory), 'stream 8080')
      expect(await take(new PortClaims('host', link), 'stream 8080')).toBe('stream 8080')
    } finally {
      rmSync(link)
    }
  })
})
