/** How services are shared, as operators tell a controller that runs, to what its router does. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

const CONTROLLER = ['controller', '--bind', '127.0.0.1:0', '--api', '127.0.0.1:0']
const write = (name: string, text: string) => writeFileSync(join(world.directory, name), text)

/** What the router of this world forwards a service by, once `isMeant` takes it. */
async function ruleOf(pattern: string, isMeant: (rule: string) => boolean): Promise<string> {
  for (;;) {
    const { stdout } = await world.run(['rules', 'list', pattern, '--json'])
    const { processes } = JSON.parse(stdout) as {
      processes: { kind: string; rules: { rules: { text: string }[] }[] }[]
    }
    const router = processes.find(({ kind }) => kind === 'router')
    const text = router?.rules.flatMap(({ rules }) => rules.map(({ text }) => text)).join('\n') ?? ''
    if (isMeant(text)) return text
  }
}

interface Listed {
  readonly policies: readonly { readonly pattern: string; readonly share: string }[]
}

function put(api: string, pattern: string, share: string): Promise<Response> {
  return fetch(`${api}/v1/policies/${pattern}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ share }),
  })
}

describe('policies of a controller', () => {
  it('come from its command line and a file, change by REST, and are what its router shares by', async () => {
    write(
      'my.policies',
      '# all of them\n*.example SHARE eject=5 # at most\n\nspeed.example SHARE balance=maglev\n',
    )
    const policies = ['--policy', 'default SHARE hedge=off', '--policies', 'my.policies']
    const controller = await world.start([...CONTROLLER, ...policies, '--json'])
    const { api } = (await controller.firstJson()) as { api: string }
    await world.start(['router', '--bind', '127.0.0.1:0'])
    await world.start(['perf', 'server', 'speed.example'])
    const before = await ruleOf('speed.example', text => text !== '')
    expect(before).toMatch(/^speed\.example FORWARD balance=maglev \S+:\d+ stream$/)
    expect((await put(api, 'speed.example', 'balance=least-loaded')).status).toBe(200)
    await ruleOf('speed.example', text => text.startsWith('speed.example FORWARD balance=least-loaded '))
    const deleted = await fetch(`${api}/v1/policies/speed.example`, { method: 'DELETE' })
    expect(deleted.status).toBe(204)
    await ruleOf('speed.example', text => text.startsWith('speed.example FORWARD eject=5 '))
    const listed = await (await fetch(`${api}/v1/policies`)).json()
    expect(schemaErrors('rest-policies', listed)).toBe('')
    expect(listed).toEqual({
      policies: [
        { pattern: '*.example', share: 'eject=5' },
        { pattern: '*', share: 'hedge=off' },
      ],
    })
  })

  it('that were acknowledged by REST are there when the controller was killed, and come before its command line', async () => {
    const args = [...CONTROLLER, '--policy', 'a1.example SHARE eject=5', '--json']
    const controller = await world.start(args)
    const { api } = (await controller.firstJson()) as { api: string }
    const acknowledged: string[] = []
    const saying = (async () => {
      for (let n = 1; ; n++) {
        const pattern = `a${n}.example`
        const { status } = await put(api, pattern, 'balance=maglev')
        if (status === 200) acknowledged.push(pattern)
        if (n % 5 === 0) await fetch(`${api}/v1/policies/a${n - 1}.example`, { method: 'DELETE' })
        if (n === 30) void controller.stop('SIGKILL')
      }
    })()
    await expect(saying).rejects.toThrow()
    await controller.ended
    const next = (await (await world.start(args)).firstJson()) as { api: string }
    const { policies } = (await (await fetch(`${next.api}/v1/policies`)).json()) as Listed
    const shares = new Map(policies.map(({ pattern, share }) => [pattern, share]))
    const isTakenBack = (pattern: string) => /[49]\.example$/.test(pattern)
    expect(acknowledged.length).toBeGreaterThanOrEqual(30)
    for (const pattern of acknowledged.slice(0, 25)) {
      expect([pattern, shares.get(pattern)]).toEqual([
        pattern,
        isTakenBack(pattern) ? undefined : 'balance=maglev',
      ])
    }
  })

  it('are kept where it is said, and a file with another thing in it is refused with the line', async () => {
    const controller = await world.start([...CONTROLLER, '--keep', 'kept.policies', '--json'])
    const { api } = (await controller.firstJson()) as { api: string }
    await put(api, 'web.example', 'eject=5')
    await controller.stop()
    const text = readFileSync(join(world.directory, 'kept.policies'), 'utf8')
    expect(text).toMatch(/^# .*\nweb\.example SHARE eject=5\n$/)
    write('kept.policies', 'web.example SHARE eject=5\nnonsense\n')
    const { status, stderr } = await world.run([...CONTROLLER, '--keep', 'kept.policies'])
    expect(status).toBe(2)
    expect(stderr).toMatch(/^serval: kept\.policies:2: rule "nonsense": /)
  })

  it.each([
    [
      'web.example SHARE\nweb.example SHARE balance=fair\n',
      'my.policies:2: rule "web.example SHARE balance=fair"',
    ],
    [
      'web.example SHARE\n\nWEB.example SHARE eject=5\n',
      'my.policies:3: rule "WEB.example SHARE eject=5" says again',
    ],
    ['web.example FORWARD 10.0.0.1:1\n', 'who serves registers by itself'],
  ])('are refused with their line where a file says %j', async (text, complaint) => {
    write('my.policies', text)
    const { status, stdout, stderr } = await world.run([...CONTROLLER, '--policies', 'my.policies'])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(complaint)
  })

  it('are refused where the command line says what cannot be', async () => {
    const { status, stderr } = await world.run([...CONTROLLER, '--policy', 'web.example SHARE eject=0'])
    expect(status).toBe(2)
    expect(stderr).toContain('rule "web.example SHARE eject=0"')
  })
})

describe('a file of rules for a router', () => {
  it('that says something of one target twice is refused, with both lines', async () => {
    write('my.rules', 'web.example FORWARD 10.0.0.1:1\n\nweb.example FORWARD 10.0.0.2:1, 10.0.0.1:1\n')
    const { status, stderr } = await world.run(['router', '--bind', '127.0.0.1:0', '--rules', 'my.rules'])
    expect(status).toBe(2)
    expect(stderr).toContain(
      'my.rules:3: rule "web.example FORWARD 10.0.0.2:1, 10.0.0.1:1" repeats a target of line 1',
    )
  })
})
