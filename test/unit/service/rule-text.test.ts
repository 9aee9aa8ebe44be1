import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseServicePattern } from '../../../src/id/name.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import type { Rule, Target } from '../../../src/service/rule.ts'
import { formatRule, parseRule } from '../../../src/service/rule-text.ts'
import { replay, testSeed } from '../../support/random.ts'

console.log(replay('test/unit/service/rule-text.test.ts'))

const RAW = `x-${'83295bd4'.repeat(8)}`

describe('a rule read from text', () => {
  it.each<[string, string, Rule]>([
    [
      'web.example FORWARD 10.0.0.1:5000',
      'web.example',
      { type: 'FORWARD', targets: [{ endpoint: { address: '10.0.0.1', port: 5000 } }] },
    ],
    [
      'web.example FORWARD 10.0.0.1:5000 weight 2 priority 3, [fd00::1]:5000',
      'web.example',
      {
        type: 'FORWARD',
        targets: [
          { endpoint: { address: '10.0.0.1', port: 5000 }, weight: 2, priority: 3 },
          { endpoint: { address: 'fd00::1', port: 5000 } },
        ],
      },
    ],
    [
      'web.example FORWARD 10.0.0.1:5000 priority 0 weight 0.25',
      'web.example',
      {
        type: 'FORWARD',
        targets: [{ endpoint: { address: '10.0.0.1', port: 5000 }, weight: 0.25, priority: 0 }],
      },
    ],
    [
      'web.example FORWARD eject=5 Balance=Peak-EWMA slow-start=1500ms 10.0.0.1:5000',
      'web.example',
      {
        type: 'FORWARD',
        targets: [{ endpoint: { address: '10.0.0.1', port: 5000 } }],
        sharing: { balance: 'peak-ewma', slowStartMs: 1500, ejectAfter: 5 },
      },
    ],
    [
      'web.example FORWARD 10.0.0.1:5000 stream weight 2, 10.0.0.1:5000 priority 3 Datagram, 10.0.0.2:5000',
      'web.example',
      {
        type: 'FORWARD',
        targets: [
          { endpoint: { address: '10.0.0.1', port: 5000 }, protocol: 6, weight: 2 },
          { endpoint: { address: '10.0.0.1', port: 5000 }, protocol: 17, priority: 3 },
          { endpoint: { address: '10.0.0.2', port: 5000 } },
        ],
      },
    ],
    [
      'web.example DEMUX 3 stream shared',
      'web.example',
      { type: 'DEMUX', listenerId: 3, protocol: 6, shared: true },
    ],
    ['*.shop.example DELAY', '*.shop.example', { type: 'DELAY' }],
    [`${RAW}/32 DROP moved away`, `${RAW}/32`, { type: 'DROP', reason: 'moved away' }],
    [`${RAW} DROP`, RAW, { type: 'DROP' }],
    ['default DELAY', '*', { type: 'DELAY' }],
    ['* DELAY', '*', { type: 'DELAY' }],
    ['web.example DEMUX 3 stream', 'web.example', { type: 'DEMUX', listenerId: 3, protocol: 6 }],
    ['web.example DEMUX 0 datagram', 'web.example', { type: 'DEMUX', listenerId: 0, protocol: 17 }],
  ])('%s', (text, pattern, rule) => {
    const line = parseRule(text)
    expect(line.rule).toEqual(rule)
    expect(line.prefix.equals(parseServicePattern(pattern))).toBe(true)
  })

  it('takes spaces and lower case, and keeps one spelling of the pattern', () => {
    const { pattern, rule } = parseRule('  WEB.Example\tforward  10.0.0.1:5000   Weight 2 ,[FD00:0::1]:7  ')
    expect(formatRule(pattern, rule)).toBe('web.example FORWARD 10.0.0.1:5000 weight 2, [fd00::1]:7')
  })

  it('keeps the canonical prefix of a raw ID with bits to spare', () => {
    expect(parseRule(`0x${'FF'.repeat(32)}/12 DELAY`).pattern).toBe(`x-fff${'0'.repeat(61)}/12`)
  })
})

describe('a rule written as text', () => {
  it('says behind the address what a target takes, where it does not take all', () => {
    const { pattern, rule } = parseRule(
      'web.example FORWARD 10.0.0.1:1 weight 2 datagram, 10.0.0.1:1 stream, 10.0.0.2:1 weight 1',
    )
    const text = 'web.example FORWARD 10.0.0.1:1 datagram weight 2, 10.0.0.1:1 stream, 10.0.0.2:1'
    expect(formatRule(pattern, rule)).toBe(text)
    expect(formatRule(pattern, parseRule(text).rule)).toBe(text)
  })

  it('calls the prefix of no bits default', () => {
    expect(formatRule('*', { type: 'DELAY' })).toBe('default DELAY')
  })

  it('leaves out weights and priorities of 1', () => {
    const targets = [{ endpoint: { address: '10.0.0.1', port: 1 }, weight: 1, priority: 1 }]
    expect(formatRule('a.b', { type: 'FORWARD', targets })).toBe('a.b FORWARD 10.0.0.1:1')
  })

  it.each([
    'a FORWARD balance=maglev to=all eject=5 10.0.0.1:1, 10.0.0.2:1 weight 2',
    'a FORWARD balance=locality spill=0.5 10.0.0.1:1',
    'a FORWARD hedge=0.9 10.0.0.1:1',
    'a FORWARD hedge=off 10.0.0.1:1',
    'a FORWARD slow-start=30s 10.0.0.1:1',
    'a FORWARD balance=round-robin slow-start=1500ms [fd00::1]:1',
    'a DEMUX 1 datagram shared',
  ])('says again what was said: %s', text => {
    expect(formatRule('a', parseRule(text).rule)).toBe(text)
  })

  it('is read back as the same rule', () => {
    const target = fc.record({
      endpoint: fc.record({
        address: fc.constantFrom('10.0.0.1', 'fd00::1', '::1', '192.168.255.255'),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
      weight: fc.nat(1e9 - 1).map(n => (n % 2 === 0 ? n : n / 1e6)),
      priority: fc.nat(1e9 - 1),
      protocol: fc.constantFrom(undefined, 6 as const, 17 as const),
    })
    const rules: fc.Arbitrary<Rule> = fc.oneof(
      fc.record({
        type: fc.constant('FORWARD' as const),
        targets: fc.uniqueArray(target, {
          minLength: 1,
          selector: one => formatRule('', { type: 'FORWARD', targets: [{ endpoint: one.endpoint }] }),
        }),
      }),
      fc.record({
        type: fc.constant('DEMUX' as const),
        listenerId: fc.nat(1e9 - 1),
        protocol: fc.constantFrom(6 as const, 17 as const),
      }),
      fc.constant({ type: 'DELAY' as const }),
      fc.record({
        type: fc.constant('DROP' as const),
        reason: fc.constantFrom('why', 'more, words', 'DELAY'),
      }),
    )
    const patterns = fc.oneof(
      fc.constantFrom('*', '*.example', '*.shop.example', 'web.shop.example', 'a'),
      fc
        .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(256))
        .map(([bytes, bits]) => new ServicePrefix(ServiceId.fromBytes(bytes), bits).toString()),
    )
    fc.assert(
      fc.property(patterns, rules, (pattern, rule) => {
        const text = formatRule(pattern, rule)
        const line = parseRule(text)
        expect(formatRule(line.pattern, line.rule)).toBe(text)
        const whole = rule.type !== 'FORWARD' ? rule : { ...rule, targets: rule.targets.map(withoutDefaults) }
        expect(line.rule).toEqual(whole)
      }),
      { seed: testSeed, numRuns: 500 },
    )
  })
})

/** 1 is what an absent weight or priority means. */
function withoutDefaults(target: Target): object {
  return Object.fromEntries(Object.entries(target).filter(([, value]) => value !== 1 && value !== undefined))
}

describe('a malformed rule', () => {
  const demux =
    'DEMUX takes the number of a listener, and stream or datagram, then shared where several listen'
  const target =
    'a target is ADDRESS:PORT [stream|datagram] [weight N] [priority N], as in 10.0.0.1:5000 or [fd00::1]:5000'
  const balances = 'balance is one of random, round-robin, least-loaded, peak-ewma, maglev, locality'
  const options = 'an option of FORWARD is one of balance=, to=, slow-start=, eject=, spill=, hedge='
  const multicast = 'a multicast or broadcast address is no target; to=all sends to all targets'
  it.each([
    ['web.example FORWRAD 10.0.0.1:1', 'FORWRAD', 'an action is FORWARD, DEMUX, DELAY or DROP'],
    ['web.example', '', 'an action is FORWARD, DEMUX, DELAY or DROP'],
    ['web.example FORWARD', '', target],
    ['web.example FORWARD 10.0.0.1', '10.0.0.1', target],
    ['web.example FORWARD 10.0.0.1:0', '10.0.0.1:0', target],
    ['web.example FORWARD 10.0.0.1:65536', '10.0.0.1:65536', target],
    ['web.example FORWARD 10.0.0.256:1', '10.0.0.256:1', target],
    ['web.example FORWARD fd00::1:5000', 'fd00::1:5000', target],
    ['web.example FORWARD host.example:5000', 'host.example:5000', target],
    ['web.example FORWARD 10.0.0.1:1,', '', target],
    ['web.example FORWARD 10.0.0.1:1 wieght 2', 'wieght', target],
    [
      'web.example FORWARD 10.0.0.1:1 weight -1',
      'weight -1',
      'a weight is a number, 0 or more, as in weight 2 or weight 0.5',
    ],
    [
      'web.example FORWARD 10.0.0.1:1 weight',
      'weight ',
      'a weight is a number, 0 or more, as in weight 2 or weight 0.5',
    ],
    [
      'web.example FORWARD 10.0.0.1:1 priority 1.5',
      'priority 1.5',
      'a priority is a whole number, 0 or more; the highest serves first',
    ],
    ['web.example FORWARD 10.0.0.1:1 weight 1 weight 2', 'weight 2', 'a target has one weight'],
    ['web.example FORWARD 10.0.0.1:1, 10.0.0.1:1', '10.0.0.1:1', 'a rule names each target once'],
    ['web.example FORWARD 10.0.0.1:1, 10.0.0.1:1 stream', '10.0.0.1:1', 'a rule names each target once'],
    ['web.example FORWARD 10.0.0.1:1 stream datagram', 'datagram', 'a target says stream or datagram once'],
    ['web.example FORWARD 10.0.0.1:1 streams', 'streams', target],
    [
      'web.example FORWARD 10.0.0.1:1 weight datagram',
      'weight datagram',
      'a weight is a number, 0 or more, as in weight 2 or weight 0.5',
    ],
    ['web.example DROP a\0b', 'a\0b', 'the reason of a DROP is one line of text'],
    ['web.example DELAY 5', '5', 'nothing follows DELAY'],
    ['web.example DEMUX stream', 'stream', demux],
    ['web.example FORWARD balance=fair 10.0.0.1:1', 'balance=fair', balances],
    ['web.example FORWARD balance 10.0.0.1:1', 'balance', target],
    ['web.example FORWARD fast=1 10.0.0.1:1', 'fast=1', options],
    ['web.example FORWARD constructor=1 10.0.0.1:1', 'constructor=1', options],
    ['web.example FORWARD eject=5 eject=6 10.0.0.1:1', 'eject=6', 'a rule says eject= once'],
    ['web.example FORWARD eject=0 10.0.0.1:1', '0', 'a target is ejected after 1 failure in a row, or more'],
    ['web.example FORWARD eject=5', '', target],
    [
      'web.example FORWARD slow-start=1m 10.0.0.1:1',
      'slow-start=1m',
      'a slow start is a time in s or ms, as in slow-start=30s',
    ],
    [
      'web.example FORWARD slow-start=2h 10.0.0.1:1',
      'slow-start=2h',
      'a slow start is a time in s or ms, as in slow-start=30s',
    ],
    [
      'web.example FORWARD slow-start=0s 10.0.0.1:1',
      '0',
      'a slow start takes over 0 ms and no more than an hour',
    ],
    [
      'web.example FORWARD balance=maglev slow-start=1s 10.0.0.1:1',
      'maglev',
      'maglev keeps who goes where, and knows no slow start',
    ],
    ['web.example FORWARD spill=0.5 10.0.0.1:1', 'random', 'only locality spills over'],
    [
      'web.example FORWARD hedge=1 10.0.0.1:1',
      'hedge=1',
      'a hedge is off, or a share of answers above 0 and below 1, as in hedge=0.95',
    ],
    [
      'web.example FORWARD balance=locality spill=1.5 10.0.0.1:1',
      'spill=1.5',
      'the mark to spill over at is above 0 and below 1, as in spill=0.8',
    ],
    ['web.example FORWARD to=some 10.0.0.1:1', 'to=some', 'packets go to=one, or datagrams to=all'],
    ['web.example FORWARD 0.0.0.0:1', '0.0.0.0:1', 'the unspecified address is no target'],
    ['web.example FORWARD [::]:1', '[::]:1', 'the unspecified address is no target'],
    ['web.example FORWARD 224.0.0.1:1', '224.0.0.1:1', multicast],
    ['web.example FORWARD 255.255.255.255:1', '255.255.255.255:1', multicast],
    ['web.example FORWARD [ff02::1]:1', '[ff02::1]:1', multicast],
    ['web.example DEMUX 1 tcp', '1 tcp', demux],
  ])('%s', (rule, value, expected) => {
    expect(() => parseRule(rule)).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVAL_RULE',
        message: `rule "${rule}": "${value}" is not accepted: ${expected}`,
      }),
    )
  })

  it.each([
    ['', ''],
    ['web!.example DELAY', 'web!.example'],
    ['*.a.b.c DELAY', '*.a.b.c'],
    [`${RAW}/257 DROP`, `${RAW}/257`],
    [`${RAW}ff DROP`, `${RAW}ff`],
    ['k-abc.web.example DELAY', 'k-abc.web.example'],
  ])('%s (its pattern) keeps what the name itself is blamed for', (rule, value) => {
    const form = 'a rule starts with a name, *.name, a raw ID with an optional /bits, or default; '
    expect(() => parseRule(rule)).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVAL_RULE',
        rule,
        value,
        message: expect.stringContaining(form),
        cause: expect.objectContaining({ code: 'ESERVICENAME' }),
      }),
    )
  })
})
