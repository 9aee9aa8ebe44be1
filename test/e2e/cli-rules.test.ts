/** `serval rules`, on routers and hosts that run. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld, SERVAL, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

const ROUTER = ['router', '--bind', '127.0.0.1:0']
const CONTROLLER = ['controller', '--bind', '127.0.0.1:0', '--api', '127.0.0.1:0']

const rules = (...args: string[]) => world.run(['rules', ...args])
const write = (text: string) => writeFileSync(join(world.directory, 'my.rules'), text)

describe('rules of a running router', () => {
  it('ends when it is done, also where a program has forked it', async () => {
    await world.start(['router', '--bind', '127.0.0.1:0'])
    const env = { ...process.env, SERVAL_RUNTIME_DIR: world.runtimeDir }
    const child = fork(SERVAL, ['rules', 'add', 'web.example DELAY'], { env, silent: true })
    expect(await once(child, 'exit')).toEqual([0, null])
  }, 60_000)

  it('are listed with their origin and what they got, on a terminal or as JSON', async () => {
    await world.start(CONTROLLER)
    const router = await world.start([...ROUTER, '--rule', 'closed.example DROP not yet', '--json'])
    const { udp } = (await router.firstJson()) as { udp: string[] }
    await world.start(['perf', 'server', 'speed.example'])
    const env = { SERVAL_ROUTER: udp[0] }
    await world.run(['ping', '-c', '3', '-i', '0', 'speed.example'], { env })
    await world.run(['ping', '-c', '1', 'closed.example'], { env })
    const { status, stdout } = await rules('list', '--of', String(router.pid))
    expect(status).toBe(0)
    expect(stdout).toMatch(/^PATTERN +ACTION +TO .* ORIGIN .* PACKETS +BYTES +DROPS\n/)
    expect(stdout).toMatch(/^speed\.example +FORWARD +\S+:\d+ .* controller .* 3 +\d+ B +0$/m)
    expect(stdout).toMatch(/^closed\.example +DROP +not yet .* config .* 1 +\d+ B +1$/m)
    const json = await world.json<{ processes: { rules: unknown[] }[] }>(['rules', 'list', 'closed.example'])
    expect(schemaErrors('rules', json)).toBe('')
    const first = json.processes[0]!
    expect(first).toMatchObject({ kind: 'router', pid: router.pid })
    expect(first.rules).toMatchObject([
      {
        pattern: 'closed.example',
        packets: 1,
        drops: 1,
        rules: [{ source: 'config', text: 'closed.example DROP not yet' }],
      },
    ])
  })

  it('are added, changed and taken away, and packets follow at once', async () => {
    const router = await world.start([...ROUTER, '--json'])
    const { udp } = (await router.firstJson()) as { udp: string[] }
    const env = { SERVAL_ROUTER: udp[0] }
    const ping = () => world.run(['ping', '-c', '1', 'web.example'], { env })
    expect((await ping()).stderr).toContain('nobody serves web.example')
    expect(await rules('add', 'web.example', 'DROP', 'closed')).toMatchObject({
      status: 0,
      stdout: `serval router (pid ${router.pid}): 1 rule set\n`,
    })
    expect((await ping()).stderr).toContain('dropped by a rule')
    const changed = await world.json(['rules', 'mod', 'web.example DELAY'])
    expect(schemaErrors('rules-change', changed)).toBe('')
    expect(changed).toMatchObject({ pid: router.pid, set: 1, removed: 1 })
    expect((await rules('del', 'web.example')).stdout).toContain('1 target taken away')
    expect((await ping()).stderr).toContain('nobody serves web.example')
  })

  it('are taken away for streams or for datagrams where that is said', async () => {
    await world.start(ROUTER)
    await rules('add', 'web.example FORWARD 10.0.0.7:7000 stream, 10.0.0.7:7000 datagram')
    expect((await rules('del', 'web.example', '10.0.0.7:7000', 'datagram')).stdout).toContain(
      '1 target taken away',
    )
    expect((await rules('export')).stdout).toBe('web.example FORWARD 10.0.0.7:7000 stream\n')
  })

  it('are exported as import reads them', async () => {
    await world.start([...ROUTER, '--rule', 'closed.example DROP'])
    write('# mine\nweb.example FORWARD 10.0.0.7:7000 weight 2, [fd00::7]:7000 # two\n\ndefault DELAY\n')
    expect((await rules('import', 'my.rules')).stdout).toMatch(/: 2 rules set\n$/)
    const all =
      'default DELAY\nweb.example FORWARD 10.0.0.7:7000 weight 2, [fd00::7]:7000\nclosed.example DROP\n'
    const exported = (await rules('export')).stdout
    expect(exported.split('\n').sort()).toEqual(all.split('\n').sort())
    write(exported)
    expect((await rules('import', '--replace', 'my.rules')).stdout).toMatch(/: 3 rules set\n$/)
    expect((await rules('export')).stdout).toBe(exported)
    expect((await rules('export', 'web.example')).stdout).toMatch(/^web\.example FORWARD [^\n]+\n$/)
  })

  it('stay as they are where one line of a file is wrong, and each such line is named', async () => {
    await world.start(ROUTER)
    write('web.example DELAY\nweb.example SEND\n*.a.b.example DROP\n')
    const { status, stdout, stderr } = await rules('import', 'my.rules')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(
      /^serval: my\.rules:2: rule "web\.example SEND": "SEND" is not accepted: .*\nserval: my\.rules:3: rule "\*\.a\.b\.example DROP": .*\nserval: nothing has been changed\n$/,
    )
    expect((await rules('export')).stdout).toBe('')
  })
})

describe('rules of a host', () => {
  it('are listed and changed where its process is named', async () => {
    const server = await world.start(['perf', 'server', 'speed.example'])
    const { stdout } = await rules('list')
    expect(stdout).toMatch(/^speed\.example +DEMUX +listener 1 stream .* local /m)
    const of = ['--of', String(server.pid)]
    expect((await rules('add', 'other.example FORWARD 10.0.0.1:1', ...of)).status).toBe(0)
    expect((await rules('export', ...of)).stdout).toBe('other.example FORWARD 10.0.0.1:1\n')
    const refused = await rules('del', 'speed.example', ...of)
    expect(refused).toMatchObject({
      status: 2,
      stderr: 'serval: nothing has been set by hand for speed.example (what is there is of origin local)\n',
    })
  })
})

describe('the process that is meant', () => {
  it('has to be there', async () => {
    expect(await rules('export')).toMatchObject({
      status: 1,
      stderr: `serval: no router of this user runs here (asked ${world.runtimeDir}); start one with serval router, or name a process with --of\n`,
    })
    expect((await rules('list', '--of', '1')).stderr).toContain('no process 1 of this user can be asked')
    expect(await rules('list')).toMatchObject({
      status: 0,
      stdout: '',
      stderr: expect.stringContaining('no rules'),
    })
  })

  it('has to be named where there are several', async () => {
    const routers = [await world.start(ROUTER), await world.start(ROUTER)]
    const { status, stderr } = await rules('add', 'web.example DELAY')
    expect(status).toBe(2)
    expect(stderr).toContain('several could be meant: choose one with --of; running: ')
    for (const { pid } of routers) expect(stderr).toContain(`${pid} serval router 127.0.0.1:`)
    const [first] = routers
    expect((await rules('add', 'web.example DELAY', '--of', String(first!.pid))).status).toBe(0)
    const { stdout } = await rules('list')
    expect(stdout).toMatch(new RegExp(`^PATTERN .* PID\\nweb\\.example .* ${first!.pid}\\n$`))
  })
})

describe('wrong usage of rules', () => {
  it.each([
    [['add'], "missing required argument 'rule'"],
    [['ad', 'x'], "unknown command 'ad' (Did you mean add?)"],
    [['list', '*.a.b.c'], 'a prefix has at most two labels'],
    [['list', '--of', 'me'], "argument 'me' is invalid. A pid is accepted, or 8 to 32 hex digits"],
    [['import', 'absent.rules'], 'rules import takes a file that can be read: ENOENT'],
  ])('%j says what is accepted, in one line, with status 2', async (args, message) => {
    const { status, stdout, stderr } = await rules(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^serval: [^\n]+\n$/)
  })
})
