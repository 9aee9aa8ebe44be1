import { describe, expect, it } from 'vitest'
import { KnownRules, type RuleChange } from '../../../src/control/known-rules.ts'
import type { ControlRule, RuleUpdate } from '../../../src/control/messages.ts'
import { endpoints, named } from '../../support/control-world.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const rule = (name: string, instance: number, at = 1): ControlRule => ({
  ...named(name),
  instance: String(instance).repeat(32),
  endpoints: endpoints(`10.0.0.${instance}:${at}`),
  weight: 1,
  priority: 1,
})

const update = (part: Partial<RuleUpdate>): RuleUpdate => ({
  type: 'ruleUpdate',
  full: false,
  more: false,
  add: [],
  remove: [],
  ...part,
})

const none: RuleChange = { remove: [], add: [] }

describe('a router’s account of rules', () => {
  it('takes what it is told and says what is new', () => {
    const known = new KnownRules(true)
    const web = rule('web.example', 1)
    expect(known.handleUpdate(update({ add: [web] }))).toEqual({ remove: [], add: [web] })
    expect(known.handleUpdate(update({ add: [web] }))).toEqual(none)
    expect(known.handleUpdate(update({ remove: [web] }))).toEqual({ remove: [web], add: [] })
    expect(known.handleUpdate(update({ remove: [web] }))).toEqual(none)
    expect(known.size).toBe(0)
  })

  it('replaces a rule of the same prefix and instance', () => {
    const known = new KnownRules(true)
    known.handleUpdate(update({ add: [rule('web.example', 1)] }))
    const moved = rule('web.example', 1, 2)
    expect(known.handleUpdate(update({ add: [moved] }))).toEqual({
      remove: [rule('web.example', 1)],
      add: [moved],
    })
  })

  it('waits for the end of a full update, then drops what was not in it', () => {
    const known = new KnownRules(true)
    known.handleUpdate(update({ add: [rule('a.example', 1), rule('b.example', 1)] }))
    expect(known.handleUpdate(update({ full: true, more: true, add: [rule('b.example', 1)] }))).toEqual(none)
    expect(known.handleUpdate(update({ add: [rule('c.example', 1)] }))).toEqual({
      remove: [rule('a.example', 1)],
      add: [rule('c.example', 1)],
    })
  })

  it('forgets a full update that was never finished', () => {
    const known = new KnownRules(true)
    known.handleUpdate(update({ add: [rule('a.example', 1)] }))
    known.handleUpdate(update({ full: true, more: true, add: [] }))
    known.forgetIncoming()
    expect(known.handleUpdate(update({ add: [rule('b.example', 1)] }))).toEqual({
      remove: [],
      add: [rule('b.example', 1)],
    })
  })

  it('never lets a rule expire', () => {
    const known = new KnownRules(true)
    known.handleUpdate(update({ add: [rule('a.example', 1)] }))
    expect(known.nextExpiryAt()).toBe(Number.POSITIVE_INFINITY)
    expect(known.expire(1e12)).toEqual(none)
  })
})

describe('a host’s account of rules', () => {
  it('takes changes of what it asked for, and nothing else', () => {
    const known = new KnownRules(false)
    known.handleAnswer(named('web.example'), [rule('web.example', 1)], 100)
    const second = rule('web.example', 2)
    expect(known.handleUpdate(update({ add: [second, rule('shop.example', 2)] }))).toEqual({
      remove: [],
      add: [second],
    })
  })

  it('turns a new answer into what is different by it', () => {
    const known = new KnownRules(false)
    known.handleAnswer(named('web.example'), [rule('web.example', 1), rule('web.example', 2)], 100)
    const change = known.handleAnswer(
      named('web.example'),
      [rule('web.example', 2), rule('web.example', 3)],
      200,
    )
    expect(change).toEqual({ remove: [rule('web.example', 1)], add: [rule('web.example', 3)] })
  })

  it('drops what has expired, each at its own time', () => {
    const known = new KnownRules(false)
    known.handleAnswer(named('a.example'), [rule('a.example', 1)], 100)
    known.handleAnswer(named('b.example'), [rule('b.example', 1)], 200)
    expect(known.nextExpiryAt()).toBe(100)
    expect(known.expire(99)).toEqual(none)
    expect(known.expire(100)).toEqual({ remove: [rule('a.example', 1)], add: [] })
    expect(known.nextExpiryAt()).toBe(200)
    known.postponeExpiry(300)
    expect(known.expire(250)).toEqual(none)
    known.keepUntil(named('b.example'), 260)
    expect(known.expire(260)).toEqual({ remove: [rule('b.example', 1)], add: [] })
  })

  it('keeps the time of an answer that is only brought up to date', () => {
    const known = new KnownRules(false)
    known.handleAnswer(named('a.example'), [rule('a.example', 1)], 100)
    known.handleAnswer(named('a.example'), [rule('a.example', 2)])
    expect(known.expire(100).remove).toEqual([rule('a.example', 2)])
  })
})

describe('an account of rules and its simple twin', () => {
  it('agree: the changes, carried out, always give what was last told', () => {
    const random = new Random(testSeed)
    const known = new KnownRules(true)
    const held = new Map<string, ControlRule>()
    const told = new Map<string, ControlRule>()
    const keyOf = (one: ControlRule) => `${one.prefix} ${one.instance}`
    const names = ['a.example', 'b.example', '*.example', '*']
    const draw = () => rule(random.pick(names), 1 + random.below(3), 1 + random.below(2))
    for (let step = 0; step < 3000; step++) {
      const add = Array.from({ length: random.below(4) }, draw)
      const remove = Array.from({ length: random.below(3) }, draw)
      const full = random.chance(0.1)
      if (full) told.clear()
      else for (const one of remove) told.delete(keyOf(one))
      for (const one of add) told.set(keyOf(one), one)
      const change = known.handleUpdate(update({ full, add, remove: full ? [] : remove }))
      for (const one of change.remove) {
        expect(held.get(keyOf(one)), replay('test/unit/control/known-rules.test.ts')).toEqual(one)
        held.delete(keyOf(one))
      }
      for (const one of change.add) held.set(keyOf(one), one)
      expect(sorted(held), replay('test/unit/control/known-rules.test.ts')).toEqual(sorted(told))
    }
  })
})

function sorted(rules: ReadonlyMap<string, ControlRule>): [string, ControlRule][] {
  return [...rules].sort(([a], [b]) => (a < b ? -1 : 1))
}
