import { describe, expect, it } from 'vitest'
import { emitMessage, parseMessage } from '../../../src/control/codec.ts'
import { controlErrors } from '../../../src/control/control-error.ts'
import { MAX_ENDPOINTS, MAX_ROUTERS, MAX_RULES } from '../../../src/control/fields.ts'
import { serval } from '../../../src/control/generated/control.js'
import type { ControlMessage } from '../../../src/control/messages.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { controlSamples } from '../../support/control-samples.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

type Fields = serval.control.Message.$Properties

/** What the codec makes of a message that a stranger built. */
function parseFields(fields: Fields): ControlMessage | WireError {
  return parseMessage(serval.control.Message.encode(fields).finish())
}

const body = (message: ControlMessage) => emitMessage(message).subarray(4)

/** What stands before a field: its number and wire type, as a varint of at most two bytes. */
function key(field: number, wireType: number): number[] {
  const value = (field << 3) | wireType
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7]
}

/** Prefixes as text, so that they are compared: what they hold is private. */
function plain(message: unknown): unknown {
  return JSON.parse(
    JSON.stringify(message, (_, value) => (value instanceof ServicePrefix ? `${value}` : value)),
  )
}

describe('the control codec', () => {
  it.each(controlSamples)('gives back $type as it was', message => {
    expect(plain(parseMessage(body(message)))).toEqual(plain(message))
  })

  it('has a sample of every message that the schema has', () => {
    const numbers = controlSamples.map(message => body(message)[0]! >> 3)
    expect(numbers).toEqual(Array.from({ length: controlSamples.length }, (_, i) => i + 1))
    expect(parseMessage(Uint8Array.from([...key(controlSamples.length + 1, 2), 0]))).toBe(
      controlErrors.unknownMessage,
    )
  })

  it('keeps the layout of version 1', () => {
    const unregister = controlSamples.find(message => message.type === 'unregister')!
    const id = '00'.repeat(32)
    // 4: unregister, 1: xid, 2: service { 1: name, 2: id, 3: bits, absent where 0 }
    const expected = `222d08ffffffff0f12250a012a1220${id}`
    expect(Buffer.from(body(unregister)).toString('hex')).toBe(expected)
  })

  it('fills in what a sender left out', () => {
    const id = new Uint8Array(32)
    expect(parseFields({ resolve: { service: { id, bits: 256 } } })).toMatchObject({
      xid: 0,
      service: { name: '' },
    })
    expect(parseFields({ ack: {} })).toEqual({ type: 'ack', xid: 0, code: '', message: '' })
    expect(parseFields({ ruleUpdate: {} })).toEqual({
      type: 'ruleUpdate',
      full: false,
      more: false,
      add: [],
      remove: [],
    })
  })

  it('clears the bits behind a prefix', () => {
    const message = parseFields({ resolve: { service: { id: new Uint8Array(32).fill(255), bits: 9 } } })
    expect(message).toMatchObject({ service: { prefix: { bits: 9 } } })
    expect(`${(message as { service: { prefix: unknown } }).service.prefix}`).toBe(`x-ff8${'0'.repeat(61)}/9`)
  })

  it('skips fields that it does not know, and groups within groups up to a depth', () => {
    const ping = [...key(12, 2), 0]
    const unknown = [...key(99, 0), 1]
    const groups = (depth: number) => [
      ...Array.from({ length: depth }, () => key(98, 3)).flat(),
      ...Array.from({ length: depth }, () => key(98, 4)).flat(),
    ]
    expect(parseMessage(Uint8Array.from([...ping, ...unknown]))).toEqual({ type: 'ping' })
    expect(parseMessage(Uint8Array.from([...ping, ...groups(10)]))).toEqual({ type: 'ping' })
    expect(parseMessage(Uint8Array.from([...ping, ...groups(100_000)]))).toBe(controlErrors.undecodable)
  })

  it('takes the last of two messages in one frame', () => {
    const both = Uint8Array.from([...body({ type: 'ping' }), ...body({ type: 'pong' })])
    expect(parseMessage(both)).toEqual({ type: 'pong' })
  })
})

describe('a malformed message', () => {
  const service = { name: 'web.example', id: new Uint8Array(32), bits: 256 }
  const instance = new Uint8Array(16)
  const endpoint = { address: Uint8Array.of(10, 0, 0, 1), port: 1 }
  const hello = { version: 1, kind: 1, instance, endpoints: [endpoint] }
  const rule = { service, instance, endpoints: [endpoint], weight: 1, priority: 1 }
  const many = <T>(count: number, one: T): T[] => Array<T>(count).fill(one)

  const cases: readonly (readonly [string, Fields, WireError])[] = [
    ['no message', {}, controlErrors.unknownMessage],
    ['no service', { register: { weight: 1 } }, controlErrors.badService],
    ['a short serviceID', { register: { service: { id: instance } } }, controlErrors.badService],
    ['257 bits', { resolve: { service: { ...service, bits: 257 } } }, controlErrors.badService],
    ['a long name', { resolve: { service: { ...service, name: 'a'.repeat(256) } } }, controlErrors.badName],
    ['a space in a name', { resolve: { service: { ...service, name: 'a b' } } }, controlErrors.badName],
    ['an escape in a name', { resolve: { service: { ...service, name: '\x1b[2J' } } }, controlErrors.badName],
    ['a weight below 0', { register: { service, weight: -1 } }, controlErrors.badNumber],
    ['a weight that is none', { register: { service, weight: Number.NaN } }, controlErrors.badNumber],
    ['an infinite priority', { register: { service, priority: 1 / 0 } }, controlErrors.badNumber],
    ['a share of nothing', { register: { service, shares: [{ weight: 1 }] } }, controlErrors.badShare],
    ['a share of ICMP', { register: { service, shares: [{ protocol: 1 }] } }, controlErrors.badShare],
    [
      'two shares of one protocol',
      { ruleUpdate: { add: [{ ...rule, shares: [{ protocol: 6 }, { protocol: 6 }] }] } },
      controlErrors.badShare,
    ],
    [
      'three shares',
      { register: { service, shares: [{ protocol: 6 }, { protocol: 17 }, { protocol: 6 }] } },
      controlErrors.tooMany,
    ],
    [
      'a share with a weight below 0',
      { register: { service, shares: [{ protocol: 6, weight: -1 }] } },
      controlErrors.badNumber,
    ],
    ['no instance', { hello: { ...hello, instance: null } }, controlErrors.badInstance],
    ['a long instance', { hello: { ...hello, instance: service.id } }, controlErrors.badInstance],
    [
      'a short controller',
      { hello: { ...hello, previousController: endpoint.address } },
      controlErrors.badInstance,
    ],
    ['no kind', { hello: { ...hello, kind: 0 } }, controlErrors.badKind],
    ['an unknown kind', { hello: { ...hello, kind: 99 as number } }, controlErrors.badKind],
    ['an unknown reason', { instanceGone: { instance, reason: 9 as number } }, controlErrors.badKind],
    ['a long text', { hello: { ...hello, program: 'a'.repeat(513) } }, controlErrors.badText],
    ['a line break in a text', { hello: { ...hello, hostName: 'a\nb' } }, controlErrors.badText],
    ['no address', { endpoints: { endpoints: [{ port: 1 }] } }, controlErrors.badEndpoint],
    [
      'an address of 5 bytes',
      { endpoints: { endpoints: [{ address: new Uint8Array(5), port: 1 }] } },
      controlErrors.badEndpoint,
    ],
    ['port 0', { endpoints: { endpoints: [{ ...endpoint, port: 0 }] } }, controlErrors.badEndpoint],
    ['port 65536', { endpoints: { endpoints: [{ ...endpoint, port: 65536 }] } }, controlErrors.badEndpoint],
    ['a rule to nowhere', { ruleUpdate: { add: [{ ...rule, endpoints: [] }] } }, controlErrors.badEndpoint],
    ['a router nowhere', { routers: { routers: [{ instance }] } }, controlErrors.badEndpoint],
    [
      'too many endpoints',
      { endpoints: { endpoints: many(MAX_ENDPOINTS + 1, endpoint) } },
      controlErrors.tooMany,
    ],
    ['too many rules', { resolved: { rules: many(MAX_RULES + 1, rule) } }, controlErrors.tooMany],
    [
      'too many keys',
      { ruleUpdate: { remove: many(MAX_RULES + 1, { service, instance }) } },
      controlErrors.tooMany,
    ],
    [
      'too many routers',
      { routers: { routers: many(MAX_ROUTERS + 1, { instance, endpoints: [endpoint] }) } },
      controlErrors.tooMany,
    ],
  ]

  it.each(cases)('with %s is named', (_, fields, error) => {
    expect(parseFields(fields)).toBe(error)
  })

  it('that is cut short is undecodable, wherever it ends', () => {
    for (const message of controlSamples) {
      const whole = body(message)
      for (let end = 1; end < whole.length; end++) {
        expect(parseMessage(whole.subarray(0, end))).toBe(controlErrors.undecodable)
      }
    }
  })

  it('with invalid UTF-8 is undecodable', () => {
    const goodbye = body({ type: 'goodbye', reason: 'aa' })
    goodbye[goodbye.length - 1] = 0xff
    expect(parseMessage(goodbye)).toBe(controlErrors.undecodable)
  })
})

describe('the emitter', () => {
  it('makes texts fit for a reader: cut, and without control characters', () => {
    const message = parseMessage(body({ type: 'goodbye', reason: `a\u001b[2J\n${'b'.repeat(1000)}` }))
    expect(message).toEqual({ type: 'goodbye', reason: `a [2J ${'b'.repeat(506)}` })
  })

  it('refuses an endpoint that is no IP address', () => {
    const endpoints = [{ address: 'localhost', port: 1 }]
    expect(() => emitMessage({ type: 'endpoints', endpoints })).toThrow('localhost:1 has no IP address')
  })
})

describe('C4: whatever bytes come', () => {
  it('100,000 random and mutated messages yield a value or a named error, and no prototype is touched', () => {
    const random = new Random(testSeed)
    const bodies = controlSamples.map(body)
    const known = new Set<unknown>(Object.values(controlErrors))
    const outcomes = { values: 0, errors: 0 }
    for (let i = 0; i < 100_000; i++) {
      const bytes = random.chance(0.2)
        ? random.bytes(random.below(200))
        : mutated(random, random.pick(bodies))
      const outcome = parseMessage(bytes)
      if (!(outcome instanceof WireError)) outcomes.values++
      else if (known.has(outcome)) outcomes.errors++
      else expect.fail(`${outcome}; ${replay('test/unit/control/codec.test.ts')}`)
    }
    expect(outcomes.values).toBeGreaterThan(1000)
    expect(outcomes.errors).toBeGreaterThan(1000)
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it('what was read can be written, and reads the same again', () => {
    const random = new Random(testSeed)
    const bodies = controlSamples.map(body)
    for (let i = 0; i < 5000; i++) {
      const outcome = parseMessage(mutated(random, random.pick(bodies)))
      if (outcome instanceof WireError) continue
      expect(plain(parseMessage(body(outcome))), replay('test/unit/control/codec.test.ts')).toEqual(
        plain(outcome),
      )
    }
  })
})

function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice(0, random.chance(0.3) ? random.below(bytes.length + 1) : bytes.length)
  for (let flips = random.below(4); flips > 0 && copy.length > 0; flips--) {
    copy[random.below(copy.length)] = random.uint32() >>> 24
  }
  return copy
}
