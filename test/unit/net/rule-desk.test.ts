import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseServicePattern } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { RuleClient, type RuleOutcome } from '../../../src/net/rule-client.ts'
import { RuleDesk } from '../../../src/net/rule-desk.ts'
import type { ChangeVerb, RuleProgress, RuleStatus } from '../../../src/net/rule-status.ts'
import { StatusServer } from '../../../src/net/status-server.ts'
import type { RuleSource } from '../../../src/service/rule.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { parseEndpoint } from '../../../src/wire/endpoint.ts'

let base: string
let table: ServiceTable
let changed: string[]
let server: StatusServer
let client: RuleClient
let desk: RuleDesk
/** How long those who forward beside the table take to have a change. */
let applyingMs: number
beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'serval-desk-'))
  table = new ServiceTable()
  changed = []
  applyingMs = 0
  await serve()
})
afterEach(() => {
  server.close()
  rmSync(base, { recursive: true, force: true })
})

async function serve(defaultPort?: number): Promise<void> {
  desk = new RuleDesk({
    table,
    defaultPort,
    own: () => [parseEndpoint('10.0.0.254:54325')!],
    replace: (...args) => table.replace(...args),
    remove: (...args) => table.remove(...args),
    onChanged: prefix => changed.push(prefix.toString()),
    caughtUp: () => delay(applyingMs),
  })
  const answer = () => {
    throw new Error('only rules are asked for here')
  }
  server = new StatusServer(join(base, '1-00000001.sock'), { answer, rules: async () => desk })
  client = new RuleClient(server.path)
  await server.open()
}

function given(text: string, source: RuleSource, owner = ''): void {
  const { prefix, pattern, rule } = parseRule(text)
  table.insert(prefix, rule, { source, owner, name: pattern })
}

function change(verb: ChangeVerb, ...texts: string[]): Promise<RuleOutcome> {
  return client.change(
    verb,
    texts.map((text, index) => [index + 1, text]),
  )
}

function refusing(message: string): RuleOutcome {
  return { refused: [{ line: null, message }] }
}

async function list(under: string = '*'): Promise<string[]> {
  const entries = await client.list(parseServicePattern(under))
  return entries.flatMap(({ rules }) => rules.map(({ source, text }) => `${source} ${text}`)).sort()
}

describe('rules set by hand', () => {
  it('stand beside those of a controller, each with its origin', async () => {
    given('web.example FORWARD 10.0.0.1:5000', 'controller', 'instance')
    expect(await change('add', 'web.example FORWARD 10.0.0.2:5000')).toEqual({
      changed: { set: 1, removed: 0 },
    })
    expect(await list()).toEqual([
      'controller web.example FORWARD 10.0.0.1:5000',
      'user web.example FORWARD 10.0.0.2:5000',
    ])
    expect(changed).toEqual([parseServicePattern('web.example').toString()])
  })

  it('are shown to wait beside a DROP, which comes before them', async () => {
    await change('add', 'web.example FORWARD 10.0.0.1:5000')
    const states = async () =>
      (await client.list(parseServicePattern('web.example')))[0]!.targets.map(
        ({ type, state }) => `${type} ${state}`,
      )
    expect(await states()).toEqual(['FORWARD serving'])
    await change('add', 'web.example DROP for a moment')
    expect(await states()).toEqual(['FORWARD standby', 'DROP serving'])
    await client.remove('web.example', '10.0.0.1:5000')
    expect(await states()).toEqual(['DROP serving'])
  })

  it('need no ports where there are none', async () => {
    server.close()
    await serve(54325)
    await change('add', 'web.example FORWARD 10.0.0.1, 10.0.0.2')
    expect(await client.remove('web.example', '10.0.0.2')).toEqual({ changed: { set: 0, removed: 1 } })
    expect(await list()).toEqual(['user web.example FORWARD 10.0.0.1:54325'])
  })

  it('take the place of what the command line said of the same pattern', async () => {
    given('web.example FORWARD 10.0.0.1:5000, 10.0.0.2:5000', 'config')
    given('other.example FORWARD 10.0.0.1:5000', 'config')
    await change('import', 'web.example FORWARD 10.0.0.2:5000 weight 3, 10.0.0.3:5000')
    expect(await list()).toEqual([
      'config other.example FORWARD 10.0.0.1:5000',
      'user web.example FORWARD 10.0.0.1:5000, 10.0.0.2:5000 weight 3, 10.0.0.3:5000',
    ])
  })

  it('are put in the place of all others of the pattern by mod', async () => {
    given('web.example FORWARD 10.0.0.1:5000', 'config')
    given('web.example DELAY', 'controller', 'c')
    await change('add', 'web.example FORWARD 10.0.0.2:5000')
    expect(await change('mod', 'web.example DROP closed')).toEqual({ changed: { set: 1, removed: 2 } })
    expect(await list()).toEqual(['controller web.example DELAY', 'user web.example DROP closed'])
  })

  it('are taken away by pattern, or by target, and only they', async () => {
    given('web.example FORWARD 10.0.0.1:5000', 'controller', 'instance')
    await change('add', 'web.example FORWARD 10.0.0.2:5000, 10.0.0.3:5000', 'web.example DELAY')
    const removed = (n: number) => ({ changed: { set: 0, removed: n } })
    expect(await client.remove('web.example', '10.0.0.2:5000')).toEqual(removed(1))
    expect(await list()).toHaveLength(3)
    expect(await client.remove('WEB.example', null)).toEqual(removed(2))
    expect(await list()).toEqual(['controller web.example FORWARD 10.0.0.1:5000'])
  })

  it('are taken away for one protocol where a target stands for each', async () => {
    const both = 'web.example FORWARD 10.0.0.1:5000 stream weight 2, 10.0.0.1:5000 datagram'
    const removed = (n: number) => ({ changed: { set: 0, removed: n } })
    given(both, 'config')
    expect(await client.remove('web.example', '10.0.0.1:5000 Datagram')).toEqual(removed(1))
    expect(await list()).toEqual(['config web.example FORWARD 10.0.0.1:5000 stream weight 2'])
    expect(await client.remove('web.example', '10.0.0.1:5000 datagram')).toEqual(
      refusing('nothing has been set by hand for 10.0.0.1:5000 datagram of web.example'),
    )
    await change('mod', both)
    expect(await client.remove('web.example', '10.0.0.1:5000')).toEqual(removed(2))
    expect(await list()).toEqual([])
  })

  it('are not taken away in part where one target takes both', async () => {
    await change('add', 'web.example FORWARD 10.0.0.1:5000')
    expect(await client.remove('web.example', '10.0.0.1:5000 stream')).toEqual(
      refusing(
        '10.0.0.1:5000 of web.example takes streams and datagrams: take it away as a whole, or change it with mod',
      ),
    )
    expect(await list()).toEqual(['user web.example FORWARD 10.0.0.1:5000'])
  })

  it.each([
    'there',
    '10.0.0.1',
    '10.0.0.1:0',
    'host:5000',
    '10.0.0.1:5000 weight 2',
    '10.0.0.1:5000 stream datagram',
  ])('are not taken away by %j, which names no target', async text => {
    given('web.example FORWARD 10.0.0.1:5000', 'config')
    expect(await client.remove('web.example', text)).toEqual(
      refusing(
        `"${text}" is no target: ADDRESS:PORT [stream|datagram] is, as in 10.0.0.1:5000 or [fd00::1]:5000 stream`,
      ),
    )
  })

  it('replace all others set by hand where an import says so', async () => {
    given('config.example DROP', 'config')
    given('table.example FORWARD 10.0.0.1:5000', 'controller', 'instance')
    await change('add', 'old.example DELAY', 'web.example FORWARD 10.0.0.1:5000')
    const outcome = await change('replace', 'web.example FORWARD 10.0.0.2:5000', 'default DELAY')
    expect(outcome).toEqual({ changed: { set: 2, removed: 3 } })
    expect(await list()).toEqual([
      'controller table.example FORWARD 10.0.0.1:5000',
      'user default DELAY',
      'user web.example FORWARD 10.0.0.2:5000',
    ])
  })

  it('keep what those of the command line have counted in whose place they come', async () => {
    given('web.example FORWARD 10.0.0.1:5000, 10.0.0.9:5000 weight 0', 'config')
    given('web.example FORWARD 10.0.0.1:5000', 'controller', 'c')
    const entry = table.find(parseServicePattern('web.example'))!
    for (const [i, target] of entry.serving.entries()) entry.count(target, 7 + i, 700, 1)
    await change('add', 'web.example FORWARD 10.0.0.2:5000')
    const [web] = await client.list(ServicePrefix.all)
    expect(web).toMatchObject({ packets: 15, bytes: 1400, drops: 2 })
    expect(web!.targets.map(({ source, to, packets }) => [source, to, packets])).toEqual([
      ['controller', '10.0.0.1:5000', 8],
      ['user', '10.0.0.1:5000', 7],
      ['user', '10.0.0.9:5000', 0],
      ['user', '10.0.0.2:5000', 0],
    ])
  })

  it('keep what they have counted when they change', async () => {
    await change('add', 'web.example FORWARD 10.0.0.1:5000')
    const entry = table.find(parseServicePattern('web.example'))!
    entry.count(entry.serving[0]!, 7, 700, 1)
    await change('mod', 'web.example FORWARD 10.0.0.1:5000 weight 2, 10.0.0.2:5000')
    const [web] = await client.list(ServicePrefix.all)
    expect(web).toMatchObject({ packets: 7, bytes: 700, drops: 1 })
    expect(web!.targets.map(({ to, packets }) => [to, packets])).toEqual([
      ['10.0.0.1:5000', 7],
      ['10.0.0.2:5000', 0],
    ])
  })
})

describe('a change of which a part is refused', () => {
  it.each<[string, ChangeVerb, string[], [number, string][]]>([
    ['a rule that is malformed', 'import', ['a.example SEND'], [[1, 'rule "a.example SEND": "SEND" is not']]],
    [
      'a rule that leads to the process itself',
      'add',
      ['ok.example DELAY', 'a.example FORWARD 10.0.0.254:54325'],
      [[2, 'rule "a.example FORWARD 10.0.0.254:54325": "10.0.0.254:54325" is not accepted: this is its own']],
    ],
    [
      'a DEMUX',
      'import',
      ['a.example DEMUX 1 stream'],
      [
        [
          1,
          'rule "a.example DEMUX 1 stream": "DEMUX" is not accepted: it is set by the program that listens',
        ],
      ],
    ],
    [
      'a target that is named twice',
      'import',
      ['a.example FORWARD 10.0.0.1:1', 'b.example DELAY', 'a.example FORWARD 10.0.0.2:1, 10.0.0.1:1'],
      [[3, 'rule "a.example FORWARD 10.0.0.2:1, 10.0.0.1:1" repeats a target of line 1']],
    ],
    [
      'an addition of what is there',
      'add',
      ['set.example FORWARD 10.0.0.1:1 weight 2'],
      [[1, 'rule "set.example FORWARD 10.0.0.1:1 weight 2": 10.0.0.1:1 is set there already']],
    ],
    [
      'a modification of what is not',
      'mod',
      ['theirs.example DELAY'],
      [[1, 'nothing has been set by hand for theirs.example (what is there is of origin controller)']],
    ],
    [
      'several, in the order of their lines',
      'import',
      ['a.example DEMUX 1 stream', 'b.example DELAY', 'c d'],
      [
        [1, 'DEMUX'],
        [3, '"d" is not accepted'],
      ],
    ],
  ])('changes nothing and names the line: %s', async (_what, verb, texts, complaints) => {
    given('set.example FORWARD 10.0.0.1:1', 'user')
    given('theirs.example DROP', 'controller', 'c')
    const before = await list()
    const outcome = await change(verb, ...texts)
    expect(outcome).toEqual({
      refused: complaints.map(([line, text]) => ({ line, message: expect.stringContaining(text) })),
    })
    expect(await list()).toEqual(before)
    expect(changed).toEqual([])
  })

  it('does not spoil the next one of the same conversation', async () => {
    const connection = createConnection(server.path).setEncoding('utf8')
    const lines = connection[Symbol.asyncIterator]()
    const say = (request: object) => connection.write(`${JSON.stringify(request)}\n`)
    say({ ask: 'stage', rules: [[1, 'nonsense']] })
    say({ ask: 'change', verb: 'import' })
    expect(JSON.parse((await lines.next()).value)).toHaveProperty('refused')
    say({ ask: 'stage', rules: [[1, 'a.example DELAY']] })
    say({ ask: 'change', verb: 'import' })
    expect(JSON.parse((await lines.next()).value)).toEqual({ changed: { set: 1, removed: 0 } })
    connection.destroy()
  })

  it('says why for what cannot be taken away', async () => {
    given('theirs.example DROP', 'controller', 'c')
    expect(await client.remove('no name', null)).toEqual(
      refusing(expect.stringContaining('"no name" is not a service name')),
    )
    expect(await client.remove('theirs.example', null)).toEqual(
      refusing('nothing has been set by hand for theirs.example (what is there is of origin controller)'),
    )
  })
})

describe('a large table', () => {
  const rules = Array.from({ length: 3000 }, (_, i) => `s${i}.example FORWARD 10.0.${i >> 8}.${i & 255}:7000`)

  it('is read in full while others change it, each entry that stays once', async () => {
    await change('import', ...rules)
    const [entries] = await Promise.all([client.list(ServicePrefix.all), change('add', 'more.example DELAY')])
    const patterns = new Set(entries.map(({ pattern }: RuleStatus) => pattern))
    expect(patterns.size).toBe(entries.length)
    expect(rules.filter((_, i) => !patterns.has(`s${i}.example`))).toEqual([])
  })

  it('is changed as a whole by one after the other', async () => {
    const others = rules.map(rule => `x${rule}`)
    const all = await Promise.all([change('replace', ...rules), change('replace', ...others)])
    const changed = all.map(outcome => ('changed' in outcome ? outcome.changed : undefined))
    expect(changed.map(counts => counts?.set)).toEqual([3000, 3000])
    expect(changed.map(counts => counts?.removed).sort()).toEqual([0, 3000])
    expect(new Set((await list()).map(rule => rule.slice(0, 6)))).toHaveProperty('size', 1)
  })

  it('says how far it is while it takes its time, to those who wait for another one too', async () => {
    applyingMs = 1300
    const steps: RuleProgress[][] = [[], []]
    const outcomes = ['web.example', 'api.example'].map((name, i) =>
      new RuleClient(server.path).change('add', [[1, `${name} DELAY`]], progress => steps[i]!.push(progress)),
    )
    expect(await Promise.all(outcomes)).toEqual([
      { changed: { set: 1, removed: 0 } },
      { changed: { set: 1, removed: 0 } },
    ])
    expect(steps.map(all => [...new Set(all.map(({ step }) => step))]).sort()).toEqual([
      ['applying'],
      ['waiting', 'applying'],
    ])
  })

  it('is seen as a whole, or not at all, while it is changed', async () => {
    await change('import', 'other.example DELAY')
    const [, seen] = await Promise.all([
      change('import', ...rules),
      new RuleClient(server.path).list(ServicePrefix.all),
    ])
    expect([1, rules.length + 1]).toContain(seen.length)
  })

  it('is not changed for who has gone before all was looked at', async () => {
    const said: unknown[] = []
    const handle = desk.converse(
      async answer => void said.push(answer),
      () => true,
    )
    await handle({ ask: 'stage', rules: [[1, 'web.example DELAY']] })
    await handle({ ask: 'change', verb: 'import' })
    expect(await list()).toEqual([])
    expect(said).toEqual([{ refused: [] }])
  })

  it('lets others have their turn while it changes', async () => {
    let turns = 0
    const counting = setInterval(() => turns++, 0)
    await change('import', ...rules)
    clearInterval(counting)
    expect(turns).toBeGreaterThan(5)
  })
})

describe('the filter', () => {
  it('shows what is under a prefix, and rules that have no name in hex', async () => {
    given('a.shop.example DELAY', 'user')
    given('b.other.example DELAY', 'user')
    table.insert(parseServicePattern('*.shop.example'), { type: 'DELAY' }, { source: 'config', owner: 'x' })
    expect(await list('*.shop.example')).toEqual([
      `config ${parseServicePattern('*.shop.example')} DELAY`,
      'user a.shop.example DELAY',
    ])
    expect(await list('b.other.example')).toEqual(['user b.other.example DELAY'])
  })
})

describe('what is no request', () => {
  it.each([
    '{"ask":"rules"}',
    '{"ask":"rules","under":"web.example"}',
    '{"ask":"change","verb":"destroy"}',
    '{"ask":"stage","rules":[["1","a DELAY"]]}',
    '{"ask":"delete","pattern":7,"target":null}',
    'rules',
    'null',
  ])('ends the connection: %s', async line => {
    const connection = createConnection(server.path)
    const ended = new Promise(resolve => connection.on('close', resolve))
    connection.on('error', () => undefined).resume()
    connection.write(`${line}\n`)
    await ended
    expect(table.size).toBe(0)
  })
})
