/** `lpm serval|map|linear RULES SECONDS`: fills a table, looks up in it, says what it took (../lpm.ts). */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SERVICE_ID_BYTES, ServiceId } from '../../src/id/service-id.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { resolve } from '../../src/service/resolve.ts'
import { ServiceTable } from '../../src/service/service-table.ts'
import type { Endpoint } from '../../src/wire/endpoint.ts'
import { protocols } from '../../src/wire/sal-header.ts'
import { LinearServiceTable } from '../../test/support/linear-service-table.ts'
import { say } from './say.ts'

interface Table {
  insert(prefix: ServicePrefix, instance: Endpoint): void
  /** Whether all of them were found. */
  lookup(ids: readonly ServiceId[]): boolean
}

const INSTANCES = 10_000
/** What is made for so many is not counted, and small enough to stay in a cache, as packets are that have just come. */
const BATCH = 256
/** Of lookups, not counted: CPU time includes V8's threads, which compile then. */
const WARM_UP_CPU_MS = 300
/** Packets that a router takes from a socket at once. */
const BURST = 32
const SYN_BYTES = 92
const ORIGIN = { source: 'controller' } as const
const CHOICE = { uniform: 0.5, nowMs: 0, affinity: () => 0, isNear: () => false }

class Serval implements Table {
  readonly #table = new ServiceTable(0x5e2fa1)

  insert(prefix: ServicePrefix, endpoint: Endpoint): void {
    this.#table.insert(prefix, { type: 'FORWARD', targets: [{ endpoint }] }, ORIGIN)
  }

  /** As a router does for the packets that came together. */
  lookup(ids: readonly ServiceId[]): boolean {
    this.#table.fetch(ids)
    return this.lookupAlone(ids)
  }

  /** One after the other. */
  lookupAlone(ids: readonly ServiceId[]): boolean {
    for (const id of ids) {
      if (resolve(this.#table, id, protocols.STREAM, SYN_BYTES, CHOICE, 'remote') === undefined) return false
    }
    return true
  }
}

/** Knows whole IDs alone: all of its rules are such. */
class Exact implements Table {
  readonly #endpoints = new Map<string, Endpoint>()

  insert(prefix: ServicePrefix, endpoint: Endpoint): void {
    this.#endpoints.set(prefix.id.toString(), endpoint)
  }

  lookup(ids: readonly ServiceId[]): boolean {
    return ids.every(id => this.#endpoints.get(id.toString()) !== undefined)
  }
}

class Linear implements Table {
  readonly #table = new LinearServiceTable()

  insert(prefix: ServicePrefix, endpoint: Endpoint): void {
    this.#table.insert(prefix, endpoint, 1, undefined, ORIGIN)
  }

  lookup(ids: readonly ServiceId[]): boolean {
    return ids.every(id => this.#table.lookup(id, 256) !== undefined)
  }
}

const tables: Readonly<Record<string, () => Table>> = {
  serval: () => new Serval(),
  map: () => new Exact(),
  linear: () => new Linear(),
}

const [kind = '', count = '', seconds = ''] = process.argv.slice(2)
const isExact = kind === 'map'
const rules = Number(count)
const instances = Array.from({ length: INSTANCES }, (_, i) => ({
  address: `10.0.${i >> 8}.${i & 255}`,
  port: 7000,
}))
setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const before = memory()
const table = tables[kind]!()
const { rate: inserts, longestMs: pausems } = measure(rules, Infinity, ruleAt, (prefix, i) => {
  table.insert(prefix, instances[i % INSTANCES]!)
  return true
})
const bytes = (memory() - before) / rules
const lookups = lookupsOf(ids => table.lookup(ids))
const alone = table instanceof Serval ? { alone: lookupsOf(ids => table.lookupAlone(ids)) } : {}
say('done', { lookups, ...alone, inserts, pausems, bytes })

function lookupsOf(lookup: (ids: readonly ServiceId[]) => boolean): number {
  const bursts = (turn: number) => Array.from({ length: BURST }, (_, i) => randomHit(BURST * turn + i))
  measure(Infinity, WARM_UP_CPU_MS, bursts, lookup, BATCH / BURST)
  return BURST * measure(Infinity, 1000 * Number(seconds), bursts, lookup, BATCH / BURST).rate
}

/** Times `use` in batches, of which `make` makes the arguments: how many a second of CPU time, and that of the longest batch. */
function measure<T>(
  times: number,
  cpuMs: number,
  make: (i: number) => T,
  use: (made: T, i: number) => boolean,
  batchSize = BATCH,
): { rate: number; longestMs: number } {
  let done = 0
  let usedMs = 0
  let longestMs = 0
  while (done < times && usedMs < cpuMs) {
    const batch = Array.from({ length: Math.min(batchSize, times - done) }, (_, i) => make(done + i))
    const { user, system } = process.cpuUsage()
    for (const [i, made] of batch.entries()) if (!use(made, done + i)) throw new Error('a rule is missing')
    const used = process.cpuUsage()
    const batchMs = (used.user - user + used.system - system) / 1000
    usedMs += batchMs
    longestMs = Math.max(longestMs, batchMs)
    done += batch.length
  }
  return { rate: (1000 * done) / usedMs, longestMs }
}

function ruleAt(i: number): ServicePrefix {
  return new ServicePrefix(ServiceId.fromBytes(randomBytes(i, SERVICE_ID_BYTES)), lengthOf(i))
}

/** An ID of a rule taken at random: its bits, and any others behind them. */
function randomHit(turn: number): ServiceId {
  const rule = mix(turn + 0x9e37) % rules
  const bytes = randomBytes(turn + 2 ** 30, SERVICE_ID_BYTES)
  const bits = lengthOf(rule)
  const prefix = randomBytes(rule, SERVICE_ID_BYTES)
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : (0xff00 >> (bits - bit)) & 0xff
    const at = bit >> 3
    bytes[at] = (prefix[at]! & mask) | (bytes[at]! & ~mask)
  }
  return ServiceId.fromBytes(bytes)
}

/** Random lengths begin where a million prefixes are not yet more than there are. */
function lengthOf(rule: number): number {
  if (isExact || rule % 2 === 0) return 256
  return [32, 64, 96, 20 + (mix(rule) % 236)][(rule >> 1) % 4]!
}

/** Bytes that depend on `seed` alone. */
function randomBytes(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 4) {
    const word = mix(seed * 8 + (at >> 2))
    // One by one: a view of its buffer would cost more than all of the rest.
    bytes[at] = word >>> 24
    bytes[at + 1] = word >>> 16
    bytes[at + 2] = word >>> 8
    bytes[at + 3] = word
  }
  return bytes
}

/** MurmurHash3's finalizer, twice, between two odd numbers. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ 0x2545f491, 0x9e3779b1)
  for (let i = 0; i < 2; i++) {
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    mixed ^= mixed >>> 16
  }
  return mixed >>> 0
}

function memory(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
