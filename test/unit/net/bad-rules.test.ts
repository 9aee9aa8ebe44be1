/** What no rule can say, through every door by which one comes in: each says no, quotes the rule, and changes nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseMessage } from '../../../src/control/codec.ts'
import { serval } from '../../../src/control/generated/control.js'
import { parseServicePattern } from '../../../src/id/name.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { RuleDesk } from '../../../src/net/rule-desk.ts'
import type { ChangeVerb, RuleAnswer } from '../../../src/net/rule-status.ts'
import type { BalanceName } from '../../../src/service/balance/sharing.ts'
import type { ForwardRule, Rule } from '../../../src/service/rule.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { parseEndpoint } from '../../../src/wire/endpoint.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { Stacks } from '../../support/net/stacks.ts'

const OWN = '10.0.0.254:54325'

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

/** What is said against these lines; the last one is at fault. Throws if something has changed. */
type Door = (lines: readonly string[]) => Promise<string>

const openRouter: Door = async rules => {
  const network = new MemoryNetwork().host('10.0.0.254')
  try {
    stacks.openRouter({ network, bind: OWN, rules })
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('the router runs')
}

function deskWith(verb: ChangeVerb): Door {
  return async lines => {
    const table = new ServiceTable()
    const desk = new RuleDesk({
      table,
      own: () => [parseEndpoint(OWN)!],
      replace: (...args) => table.replace(...args),
      remove: (...args) => table.remove(...args),
      onChanged: () => undefined,
    })
    const answers: RuleAnswer[] = []
    const ask = desk.converse(async answer => void answers.push(answer))
    await ask({ ask: 'stage', rules: lines.map((line, index) => [index + 1, line]) })
    await ask({ ask: 'change', verb })
    const [answer] = answers
    if (answer === undefined || !('refused' in answer) || table.size > 0) throw new Error('it is taken')
    expect(answer.refused.at(-1)!.line).toBe(lines.length)
    return answer.refused.at(-1)!.message
  }
}

const doors: Readonly<Record<string, Door>> = {
  'the command line of a router': openRouter,
  'serval rules add': deskWith('add'),
  'serval rules import': deskWith('replace'),
}

const RAW = `x-${'0'.repeat(64)}`
/** Each with what is said against it. */
const faults: readonly (readonly [lines: readonly string[], against: string])[] = [
  [['web.example FORWRAD 10.0.0.1:1'], 'an action is FORWARD, DEMUX, DELAY or DROP'],
  [[`${RAW}/257 FORWARD 10.0.0.1:1`], 'a rule starts with a name'],
  [[`${RAW}/257 FORWARD 10.0.0.1:1`], 'a prefix is x- and 64 hex digits, then /0 to /256'],
  [['x-00/12 FORWARD 10.0.0.1:1'], 'a raw ID is x- and 64 hex digits'],
  [[`${RAW}0 FORWARD 10.0.0.1:1`], 'a rule starts with a name'],
  [['*.a.b.c.d.example FORWARD 10.0.0.1:1'], 'a rule starts with a name'],
  [['web.example FORWARD 10.0.0.1:0'], 'a target is ADDRESS:PORT'],
  [['web.example FORWARD 10.0.0.1:65536'], 'a target is ADDRESS:PORT'],
  [['web.example FORWARD host.example:1'], 'a target is ADDRESS:PORT'],
  [['web.example FORWARD 0.0.0.0:1'], 'the unspecified address is no target'],
  [['web.example FORWARD 255.255.255.255:1'], 'to=all sends to all targets'],
  [['web.example FORWARD [ff02::1]:1'], 'to=all sends to all targets'],
  [['web.example FORWARD [fe80::1]:1'], 'a link-local target says its interface'],
  [['web.example FORWARD 10.0.0.1:1 weight -1'], 'a weight is a number, 0 or more'],
  [['web.example FORWARD 10.0.0.1:1 weight 1e999'], 'a weight is a number, 0 or more'],
  [['web.example FORWARD 10.0.0.1:1 weight 99999999999'], 'a weight is a number, 0 or more'],
  [['web.example FORWARD 10.0.0.1:1 priority high'], 'a priority is a whole number'],
  [['web.example FORWARD hedge=1 10.0.0.1:1'], 'a hedge is off, or a share of answers above 0 and below 1'],
  [['web.example FORWARD balance=fair 10.0.0.1:1'], 'balance is one of'],
  [['web.example FORWARD 10.0.0.1:1, 10.0.0.1:1'], 'a rule names each target once'],
  [[`web.example FORWARD ${OWN}`], 'a rule that forwards to oneself is a loop'],
  [['web.example DEMUX 1 stream'], 'it is set by the program that listens'],
  [['web.example FORWARD 10.0.0.1:1', 'web.example FORWARD 10.0.0.2:1, 10.0.0.1:1'], 'target'],
  [['web.example FORWARD 10.0.0.1:1', 'WEB.example FORWARD 10.0.0.1:1 weight 2'], 'target'],
  [['web.example DROP', 'web.example DROP moved'], 'target'],
]

describe.each(Object.entries(doors))('%s', (_, door) => {
  it.each(faults)('refuses %j', async (lines, against) => {
    const said = await door(lines)
    expect(said).toContain(against)
    // By its own spelling where it could be read, else as it was said.
    const asSaid = lines.at(-1)!
    expect(said.toLowerCase()).toContain(`rule "${asSaid.toLowerCase()}"`)
  })
})

describe('a program that changes a table', () => {
  const at = (text: string) => ({ endpoint: parseEndpoint(text)! })
  const forward = (rule: Partial<ForwardRule>): Rule => ({
    type: 'FORWARD',
    targets: [at('10.0.0.1:1')],
    ...rule,
  })
  const to = (address: string, port: number): Rule => forward({ targets: [{ endpoint: { address, port } }] })
  it.each<[string, Rule, string]>([
    ['to port 0', to('10.0.0.1', 0), 'a target has a port, 1 to 65535'],
    ['to port 65536', to('10.0.0.1', 65_536), 'a target has a port, 1 to 65535'],
    ['to half a port', to('10.0.0.1', 1.5), 'a target has a port, 1 to 65535'],
    ['to no number', to('10.0.0.1', Number.NaN), 'a target has a port, 1 to 65535'],
    ['to a host name', to('host.example', 1), 'a target is an IP address'],
    ['to all hosts', to('224.0.0.1', 1), 'to=all sends to all targets'],
    ['to no address', to('::', 1), 'the unspecified address is no target'],
    ['to nobody', forward({ targets: [] }), 'FORWARD takes one target or more'],
    [
      'to one twice',
      forward({ targets: [at('10.0.0.1:1'), at('10.0.0.1:1')] }),
      'a rule names each target once',
    ],
    [
      'less than never',
      forward({ targets: [{ ...at('10.0.0.1:1'), weight: -1 }] }),
      'a weight is a number, 0 or more',
    ],
    [
      'endlessly often',
      forward({ targets: [{ ...at('10.0.0.1:1'), weight: Number.POSITIVE_INFINITY }] }),
      'a weight is a number, 0 or more',
    ],
    [
      'of no priority',
      forward({ targets: [{ ...at('10.0.0.1:1'), priority: Number.NaN }] }),
      'a priority is a number',
    ],
    ['fairly', forward({ sharing: { balance: 'fair' as BalanceName } }), 'balance is one of'],
    ['slowly for days', forward({ sharing: { slowStartMs: 1e9 } }), 'a slow start takes over 0 ms'],
    ['ejecting all', forward({ sharing: { ejectAfter: 0 } }), 'a target is ejected after 1 failure'],
    ['hedging always', forward({ sharing: { hedgeAt: 1 } }), 'a hedge is a share of answers'],
    ['hedging by no number', forward({ sharing: { hedgeAt: Number.NaN } }), 'a hedge is a share of answers'],
    ['spilling at random', forward({ sharing: { spillAt: 0.5 } }), 'only locality spills over'],
    ['dropping in two lines', { type: 'DROP', reason: 'a\nb' }, 'the reason of a DROP is one line of text'],
  ])('cannot insert a rule %s, nor put it in the place of others', (_, rule, expected) => {
    const table = new ServiceTable()
    const web = parseServicePattern('web.example')
    table.insert(web, parseRule('web.example FORWARD 10.0.0.9:1').rule, {
      source: 'user',
      name: 'web.example',
    })
    const refusal = expect.objectContaining({
      code: 'ERR_SERVAL_RULE',
      message: expect.stringContaining(expected),
    })
    const origin = { source: 'user', name: 'web.example' } as const
    expect(() => table.insert(web, rule, origin)).toThrow(refusal)
    expect(() => table.insert(web, rule, origin)).toThrow(`rule "web.example ${rule.type}"`)
    expect(() => table.replace(web, [rule], origin)).toThrow(refusal)
    expect(() => table.insert(parseServicePattern('new.example'), rule, origin)).toThrow(refusal)
    expect([table.size, table.find(web)!.serving.map(({ endpoint }) => endpoint.address)]).toEqual([
      1,
      ['10.0.0.9'],
    ])
  })
})

describe('the control protocol', () => {
  type RuleFields = serval.control.Rule.$Properties
  const service = { name: 'web.example', id: new Uint8Array(32), bits: 256 }
  const endpoint = { address: Uint8Array.of(10, 0, 0, 1), port: 1 }
  const rule: RuleFields = {
    service,
    instance: new Uint8Array(16),
    endpoints: [endpoint],
    weight: 1,
    priority: 1,
  }
  const parsed = (fields: RuleFields) => {
    const message = { ruleUpdate: { add: [{ ...rule, ...fields }] } }
    return parseMessage(serval.control.Message.encode(message).finish())
  }

  it('takes the rule that the others are like', () => {
    expect(parsed({})).not.toBeInstanceOf(WireError)
  })

  it.each<[string, RuleFields, string]>([
    ['of more bits than an ID has', { service: { ...service, bits: 257 } }, 'bad-service'],
    ['of half an ID', { service: { ...service, id: new Uint8Array(16) } }, 'bad-service'],
    ['with a name of two lines', { service: { ...service, name: 'a\nb' } }, 'bad-name'],
    ['to nobody', { endpoints: [] }, 'bad-endpoint'],
    ['to port 0', { endpoints: [{ ...endpoint, port: 0 }] }, 'bad-endpoint'],
    ['to port 65536', { endpoints: [{ ...endpoint, port: 65_536 }] }, 'bad-endpoint'],
    [
      'to an address of 5 bytes',
      { endpoints: [{ ...endpoint, address: new Uint8Array(5) }] },
      'bad-endpoint',
    ],
    ['less than never', { weight: -1 }, 'bad-number'],
    ['endlessly often', { weight: Number.POSITIVE_INFINITY }, 'bad-number'],
    ['of no priority', { priority: Number.NaN }, 'bad-number'],
    ['hedging always', { sharing: { hedgeAt: 1 } }, 'bad-sharing'],
    ['hedging by no number', { sharing: { hedgeAt: Number.NaN } }, 'bad-sharing'],
    ['slowly for days', { sharing: { slowStartMs: 0xffffffff } }, 'bad-sharing'],
    ['spilling beyond', { sharing: { balance: 'locality', spillAt: 2 } }, 'bad-sharing'],
    ['slowly, by who goes where', { sharing: { balance: 'maglev', slowStartMs: 5 } }, 'bad-sharing'],
  ])('takes no rule %s', (_, fields, code) => {
    expect(parsed(fields)).toMatchObject({ code })
  })

  it.each([-0.1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('takes no load of %d', load => {
    const message = { load: { loads: [{ service, flows: 1, load }] } }
    expect(parseMessage(serval.control.Message.encode(message).finish())).toMatchObject({ code: 'bad-load' })
  })

  it('takes a balancer that it does not know for none, and the other options as they are', () => {
    expect(parsed({ sharing: { balance: 'of-tomorrow', ejectAfter: 5, spillAt: 7 } })).toMatchObject({
      add: [{ sharing: { ejectAfter: 5 } }],
    })
  })
})
