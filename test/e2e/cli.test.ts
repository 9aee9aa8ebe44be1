/** The commands, as real processes: what they do, what they print, and what they say when they cannot. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStack } from '../../src/net/stack.ts'
import dgram from '../../src/sockets/dgram.ts'
import { CliWorld, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

const COMMANDS = [
  'router',
  'controller',
  'services',
  'flows',
  'counters',
  'rules',
  'rules list',
  'rules add',
  'rules mod',
  'rules del',
  'rules import',
  'rules export',
  'ping',
  'trace',
  'perf',
  'perf server',
  'perf client',
  'dump',
  'demo',
]

describe('help', () => {
  it('lists the commands', async () => {
    const { status, stdout } = await world.run(['--help'])
    expect(status).toBe(0)
    for (const name of [
      'router',
      'controller',
      'services',
      'flows',
      'counters',
      'rules',
      'ping',
      'trace',
      'perf',
      'demo',
    ]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'))
    }
  })

  it.each(COMMANDS)('of %s has examples and fits 80 columns', async command => {
    const { status, stdout } = await world.run([...command.split(' '), '--help'])
    expect(status).toBe(0)
    expect(stdout).toContain(`Usage: serval ${command}`)
    expect(stdout).toMatch(/^Examples:\n {2}\$ /m)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('goes to stderr, with status 2, where no command is given', async () => {
    const { status, stdout, stderr } = await world.run([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('Usage: serval')
  })

  it('knows the version', async () => {
    const { stdout } = await world.run(['--version'])
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('wrong usage', () => {
  it.each([
    [['pong'], "unknown command 'pong' (Did you mean ping?)"],
    [['ping'], "missing required argument 'name'"],
    [['ping', 'a', 'b'], 'too many arguments'],
    [['ping', '--cuont', '1', 'a'], "unknown option '--cuont' (Did you mean --count?)"],
    [['ping', '-c', '0', 'a'], "argument '0' is invalid. A whole number from 1 to 1000000 is accepted."],
    [['ping', '-i', 'soon', 'a'], "argument 'soon' is invalid. A time from 0 to 3600 seconds is accepted"],
    [['ping', 'no name'], '"no name" is not a service name: labels of 1 to 63 letters'],
    [['perf', 'client', 'a', '--bytes', '1x'], "argument '1x' is invalid. A number of bytes is accepted"],
    [['perf', 'client', 'a', '--bytes', '1', '--seconds', '1'], '--seconds and --bytes do not go together'],
    [['perf', 'client', 'a', '--latency', '--reverse'], '--latency and --reverse do not go together'],
    [['perf', 'client', 'a', '--latency', '--connect'], '--latency and --connect do not go together'],
    [['perf', 'client', 'a', '--parallel', '1000'], 'A whole number from 1 to 128 is accepted.'],
    [['router', '--bind', 'here'], 'The argument "bind" must be address[:port]'],
    [['router', '--rule', 'web.example FORWARD'], 'rule "web.example FORWARD"'],
    [
      ['router', '--rule', 'web.example SEND 10.0.0.1:1'],
      '"SEND" is not accepted: an action is FORWARD, DEMUX',
    ],
    [['router', '--rules', 'missing.rules'], '--rules takes a file that can be read: ENOENT'],
    [['router', '--controller', ':1'], 'The argument "controller" must be host:port'],
    [
      ['controller', '--bind', '10.0.0.1:99999'],
      "argument '10.0.0.1:99999' is invalid. host:port is accepted",
    ],
    [['controller', '--lease', '0'], 'A time from 0.1 to 3600 seconds is accepted'],
    [
      ['controller', '--bind', '127.0.0.1:0', '--api', '0.0.0.0:0'],
      '--api 0.0.0.0:0 can be reached from other hosts: set SERVAL_API_TOKEN',
    ],
    [['dump', '--flow', 'x', 'a'], 'A flowID is accepted, 8 hex digits'],
    [['dump', '--type', 'SIN', 'a'], 'Flags are accepted, as in SYN or SYN+ACK, or data.'],
    [['dump', '--address', 'here', 'a'], 'ADDRESS or ADDRESS:PORT is accepted'],
    [['demo', '--seconds', '1'], 'A time from 5 to 3600 seconds is accepted'],
  ])('%j says what is accepted, in one line, with status 2', async (args, message) => {
    const { status, stdout, stderr } = await world.run(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^serval: [^\n]+\n$/)
  })

  it('names the line of a rules file', async () => {
    writeFileSync(
      join(world.directory, 'my.rules'),
      '# mine\nweb.example DELAY # later\n\nweb.example NOTHING\n',
    )
    const { status, stderr } = await world.run(['router', '--rules', 'my.rules'])
    expect(status).toBe(2)
    expect(stderr).toContain('my.rules:4: rule "web.example NOTHING": "NOTHING" is not accepted')
  })

  it.each([
    [{ SERVAL_BIND: 'eth0' }, 'SERVAL_BIND'],
    [{ SERVAL_ROUTER: 'a:b:c' }, 'SERVAL_ROUTER'],
    [{ SERVAL_LOG: 'loud' }, 'one of fatal, error, warn'],
    [{ SERVAL_CONFIG: 'missing.json' }, 'missing.json (ENOENT)'],
  ])('in the variables %j is named with its variable', async (env, message) => {
    const { status, stderr } = await world.run(['ping', '-c', '1', 'web.example'], { env })
    expect(status).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^serval: [^\n]+\n$/)
  })

  it('in serval.json is named with the file', async () => {
    writeFileSync(join(world.directory, 'serval.json'), '{ "rooter": "10.0.0.1" }')
    const { status, stderr } = await world.run(['services'])
    expect(status).toBe(2)
    expect(stderr).toMatch(/^serval: .*serval\.json.*rooter.*\n$/)
  })

  it('shows a stack only where debugging is asked for', async () => {
    const { stderr } = await world.run(['router', '--rule', 'x'], { env: { SERVAL_LOG: 'debug' } })
    expect(stderr).toMatch(/\n\s+at /)
  })
})

const CONTROLLER = ['controller', '--bind', '127.0.0.1:0', '--api', '127.0.0.1:0']
const ROUTER = ['router', '--bind', '127.0.0.1:0']

describe('the controller and the router', () => {
  it('print one line when they can be used, and end with status 0 when they are told to', async () => {
    const controller = await world.start(CONTROLLER)
    const router = await world.start(ROUTER)
    const { stdout: controllerOutput } = await controller.stop('SIGTERM')
    expect(controllerOutput).toMatch(
      /^ready controller control 127\.0\.0\.1:\d+ api http:\/\/127\.0\.0\.1:\d+ unix \S+ pid \d+\n$/,
    )
    const { status, stdout: routerOutput, stderr } = await router.stop('SIGINT')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(routerOutput).toMatch(/^ready router udp 127\.0\.0\.1:\d+ pid \d+\n$/)
    expect(readdirSync(world.runtimeDir)).toEqual([])
  })

  it('print it as JSON, by the published schema', async () => {
    const controller = await world.start([...CONTROLLER, '--json'])
    const router = await world.start([...ROUTER, '--json'])
    const perf = await world.start(['perf', 'server', 'speed.example', '--json'])
    for (const running of [controller, router, perf]) {
      const ready = await running.firstJson()
      expect(schemaErrors('ready', ready)).toBe('')
      expect(ready.pid).toBe(running.pid)
    }
  })

  it('tell hosts apart that are served from those that are not', async () => {
    await world.start(CONTROLLER)
    await world.start([...ROUTER, '--rule', 'closed.example DROP'])
    await world.start(['perf', 'server', 'speed.example'])
    const served = await world.run(['ping', '-c', '1', 'speed.example'])
    expect(served).toMatchObject({ status: 0, stderr: '' })
    const unserved = await world.run(['ping', '-c', '1', 'nobody.example'])
    expect(unserved.status).toBe(1)
    expect(unserved.stderr).toMatch(/^serval: nobody serves nobody\.example \(asked 127\.0\.0\.1:\d+\)\n$/)
  })
})

describe('a place that is taken', () => {
  it('for the controller: says who asked for it, who has it, and what can be done', async () => {
    const other = await world.start([...CONTROLLER, '--json'])
    const { control } = await other.firstJson()
    const env = { SERVAL_RUNTIME_DIR: join(world.directory, 'other') }
    const { status, stderr } = await world.run(
      ['controller', '--bind', String(control), '--api', '127.0.0.1:0'],
      { env },
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(
      new RegExp(
        `^serval: .*EADDRINUSE: tcp ${control} \\(asked for by --bind\\) .* pid ${other.pid}; .*--bind.*\\n$`,
      ),
    )
  })

  it('for its socket: the same', async () => {
    const other = await world.start(CONTROLLER)
    const { status, stderr } = await world.run(CONTROLLER)
    expect(status).toBe(1)
    expect(stderr).toContain(
      `controller.sock (asked for by SERVAL_RUNTIME_DIR) is already served by the controller`,
    )
    expect(stderr).toContain(`pid ${other.pid}`)
  })

  it('for its REST, by a stranger: says so', async () => {
    const stranger = createServer(socket => socket.end('hello\r\n')).listen(0, '127.0.0.1')
    await new Promise(resolve => stranger.once('listening', resolve))
    const { port } = stranger.address() as { port: number }
    const { status, stderr } = await world.run([
      'controller',
      '--bind',
      '127.0.0.1:0',
      '--api',
      `127.0.0.1:${port}`,
    ])
    stranger.close()
    expect(status).toBe(1)
    expect(stderr).toContain(
      '(asked for by --api) is already served by another process, which is no controller',
    )
  })

  it.each([
    ['the option', (at: string) => ({ args: ['router', '--bind', at], env: {} }), '--bind'],
    ['the variable', (at: string) => ({ args: ['router'], env: { SERVAL_BIND: at } }), 'SERVAL_BIND'],
  ])('for the router, by %s: names that, and what can be done', async (_what, ask, by) => {
    const other = await world.start([...ROUTER, '--json'])
    const { udp } = (await other.firstJson()) as { udp: string[] }
    const { args, env } = ask(udp[0]!)
    const { status, stderr } = await world.run(args, { env })
    expect(status).toBe(1)
    expect(stderr).toContain(
      `bind EADDRINUSE ${udp[0]} (asked for by ${by}); another router may be running there`,
    )
  })

  it('for an address that is not of this host: says so', async () => {
    const { status, stderr } = await world.run(['router', '--bind', '192.0.2.77'])
    expect(status).toBe(1)
    expect(stderr).toContain(
      'EADDRNOTAVAIL 192.0.2.77:54325 (asked for by --bind); choose an address of this host',
    )
  })
})

describe('ping', () => {
  it('says who answered and how long it took', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const { status, stdout } = await world.run(['ping', '-c', '3', '-i', '0', 'Speed.Example'])
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.slice(0, 3).map(line => line.replace(/\S+ answered in [\d.]+ m?s/, 'ANSWER'))).toEqual([
      '1  ANSWER',
      '2  ANSWER',
      '3  ANSWER',
    ])
    expect(lines[3]).toMatch(/^speed\.example: 3 probes, 3 answered, min \/ avg \/ max .* ms$/)
  })

  it('gives JSON by the published schema, whether somebody answers or not', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const report = await world.json(['ping', '-c', '2', '-i', '0', 'speed.example'])
    expect(schemaErrors('ping', report)).toBe('')
    expect(report).toMatchObject({ service: 'speed.example', sent: 2, answered: 2 })
    const failure = await world.json(['ping', '-c', '1', 'nobody.example'], { status: 1 })
    expect(schemaErrors('ping', failure)).toBe('')
    expect(failure).toMatchObject({ answered: 0, rttMs: null, probes: [{ code: 'ENOROUTER' }] })
  })

  it('says what was tried and what to start where nothing could know the name', async () => {
    const { status, stdout, stderr } = await world.run(['ping', '-c', '2', '-i', '0', 'nobody.example'])
    expect(status).toBe(1)
    expect(stdout).toBe('1  ENOROUTER\n2  ENOROUTER\nnobody.example: 2 probes, 0 answered\n')
    // Once, however many probes ended so.
    expect(stderr).toMatch(
      /^serval: no router or controller could be reached .*tried.*start one with `serval router`.*\n$/,
    )
  })

  it('ends at once when it is told to, whatever it waits for', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    const env = { SERVAL_ROUTER: `127.0.0.1:${silent.address().port}` }
    const pinging = world.launch(['ping', 'nobody.example'], { env })
    await once(silent, 'message')
    const { status, stdout, stderr } = await pinging.stop('SIGINT')
    silent.close()
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: 'nobody.example: 0 probes, 0 answered\n',
      stderr: 'serval: stopped before anybody answered\n',
    })
  })
})

describe('services and flows', () => {
  it('say in words that there are none', async () => {
    mkdirSync(world.runtimeDir, { mode: 0o700 })
    const services = await world.run(['services'])
    expect(services).toMatchObject({
      status: 0,
      stdout: '',
      stderr: `serval: nobody serves anything (asked ${world.runtimeDir})\n`,
    })
    const flows = await world.run(['flows'])
    expect(flows).toMatchObject({
      status: 0,
      stdout: '',
      stderr: `serval: no flows (asked ${world.runtimeDir})\n`,
    })
  })

  it('list what programs of this host serve', async () => {
    const { pid } = await world.start(['perf', 'server', 'speed.example'])
    const { stdout } = await world.run(['services'])
    expect(stdout).toMatch(new RegExp(`^SERVICE .*\\nspeed\\.example .* ${pid} .* host\\n$`))
    const json = await world.json(['services'])
    expect(schemaErrors('services', json)).toBe('')
    expect(json).toMatchObject({
      controller: null,
      services: [{ service: 'speed.example', instances: [{ pid, knownTo: ['host'] }] }],
    })
  })

  it('tell streams from datagrams', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const stack = openStack({ bind: ['127.0.0.1'], runtimeDir: world.runtimeDir })
    const clock = dgram.createSocket({ stack })
    try {
      await new Promise<void>(resolve => clock.bind('clock.example', resolve))
      const json = await world.json(['services'])
      expect(schemaErrors('services', json)).toBe('')
      expect(json).toMatchObject({
        services: [
          { service: 'clock.example', instances: [{ pid: process.pid, protocol: 'datagram' }] },
          { service: 'speed.example', instances: [{ protocol: 'stream' }] },
        ],
      })
      const { stdout } = await world.run(['services'])
      expect(stdout).toMatch(/^SERVICE +TYPE .*\nclock\.example +datagram .*\nspeed\.example +stream .*\n$/)
    } finally {
      clock.close()
      await stack.close()
    }
  })

  it('list what a controller knows, and know the same instance again', async () => {
    const controller = await world.start([...CONTROLLER, '--json'])
    const { api } = await controller.firstJson()
    const { pid } = await world.start(['perf', 'server', 'speed.example'])
    const env = { SERVAL_API: String(api) }
    const here = await world.json(['services'], { env })
    expect(schemaErrors('services', here)).toBe('')
    expect(here).toMatchObject({
      controller: api,
      services: [{ service: 'speed.example', instances: [{ pid, knownTo: ['host', 'controller'] }] }],
    })
    const elsewhere = { ...env, SERVAL_RUNTIME_DIR: join(world.directory, 'elsewhere') }
    expect(await world.json(['services'], { env: elsewhere })).toMatchObject({
      services: [{ service: 'speed.example', instances: [{ pid, knownTo: ['controller'] }] }],
    })
  })

  it('need the token of a controller that has one', async () => {
    const secret = { SERVAL_API_TOKEN: 'secret' }
    const controller = await world.start(
      ['controller', '--bind', '127.0.0.1:0', '--api', '0.0.0.0:0', '--json'],
      {
        env: secret,
      },
    )
    const { api } = (await controller.firstJson()) as { api: string }
    const env = { SERVAL_API: api.replace('0.0.0.0', '127.0.0.1') }
    const without = await world.run(['services'], { env })
    expect(without.status).toBe(1)
    expect(without.stderr).toMatch(/^serval: http:\S+ asks for a token: set SERVAL_API_TOKEN\n$/)
    const withIt = await world.json(['services'], { env: { ...env, ...secret } })
    expect(withIt).toEqual({ controller: env.SERVAL_API, services: [] })
  })

  it('fail where the controller that was named does not answer', async () => {
    const env = { SERVAL_API: 'http://127.0.0.1:1' }
    const { status, stderr } = await world.run(['services'], { env })
    expect(status).toBe(1)
    expect(stderr).toBe('serval: no controller answers at http://127.0.0.1:1 (SERVAL_API)\n')
  })

  it('list flows from both ends', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const client = world.launch(['perf', 'client', 'speed.example', '--seconds', '60'])
    await client.line(line => line.startsWith('flow '))
    const json = await world.json<{ flows: { role: string }[] }>(['flows'])
    expect(schemaErrors('flows', json)).toBe('')
    expect(json.flows.map(({ role }) => role).sort()).toEqual(['client', 'server'])
    const { stdout } = await world.run(['flows'])
    expect(stdout).toMatch(/^FLOW .*\n([0-9a-f]{8} {2}speed\.example {2}CONNECTED .*\n){2}$/)
  })
})

/** A line for each second, or for longer where a machine has much to do. */
const INTERVALS = '(?:\\d+\\.\\d-\\d+\\.\\d s .*\\n)*'

interface RoundTrips {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly intervals: readonly { readonly count: number }[]
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('perf', () => {
  it('measures an upload for a time, and both ends say the same', async () => {
    const server = await world.start(['perf', 'server', 'speed.example', '--json'])
    const args = ['perf', 'client', 'speed.example', '--seconds', '1.5']
    const report = await world.json<{ bytes: number }>(args)
    const transfer = JSON.parse(await server.line(line => line.includes('"transfer"')))
    expect(schemaErrors('perf-server', transfer)).toBe('')
    expect(transfer).toMatchObject({ direction: 'upload', mismatches: 0, bytes: report.bytes })
    expect(report.bytes).toBeGreaterThan(0)
  })

  it('prints the flow, lines as time passes, and what they came to', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const { status, stdout, stderr } = await world.run([
      ...['perf', 'client', 'speed.example', '--seconds', '1.5'],
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(
        `^flow [0-9a-f]{8}: \\S+ to \\S+\\ninterval .*\\n${INTERVALS}upload .* every byte compared\\n$`,
      ),
    )
  })

  it.each([
    [[], 'upload'],
    [['--reverse'], 'download'],
    [['--reverse', '--no-verify'], 'download'],
  ])('with %j sends so many bytes over several flows', async (options, direction) => {
    await world.start(['perf', 'server', 'speed.example'])
    const args = ['perf', 'client', 'speed.example', '--bytes', '2M', '--parallel', '3', ...options]
    const report = await world.json<{ flows: { bytes: number }[] }>(args)
    expect(schemaErrors('perf', report)).toBe('')
    const verified = !options.includes('--no-verify')
    expect(report).toMatchObject({ direction, verified, parallel: 3, bytes: 6e6, mismatches: 0 })
    expect(report.flows.map(({ bytes }) => bytes)).toEqual([2e6, 2e6, 2e6])
  })

  it.each(['latency', 'connect'])('times round trips with --%s', async mode => {
    await world.start(['perf', 'server', 'speed.example'])
    const args = ['perf', 'client', 'speed.example', '--seconds', '1.5', `--${mode}`]
    const { status, stdout, stderr } = await world.run(args)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(`^interval .*\\n${INTERVALS}${mode} \\d+ round trips in .* p99 .* longest .*\\n$`),
    )
    const report = await world.json<RoundTrips>(args)
    expect(schemaErrors('perf-round-trips', report)).toBe('')
    expect(report).toMatchObject({ service: 'speed.example', mode })
    expect(report.count).toBeGreaterThanOrEqual(sum(report.intervals.map(({ count }) => count)))
    expect(report.p99Ms).toBeGreaterThanOrEqual(report.p50Ms)
  })

  it('stops early when it is told to, with a result', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const client = await world.start(['perf', 'client', 'speed.example', '--seconds', '60', '--reverse'])
    await client.line(line => /^\d+\.\d-\d+\.\d s /.test(line))
    const { status, stdout } = await client.stop('SIGINT')
    expect(status).toBe(0)
    expect(stdout).toMatch(/\n0\.0-[\d.]+ s .*\n(?:.* s .*\n)*download .*, every byte compared\n$/)
  })

  it('fails where the server dies', async () => {
    const server = await world.start(['perf', 'server', 'speed.example'])
    await world.start(CONTROLLER)
    const client = await world.start(['perf', 'client', 'speed.example', '--seconds', '60'])
    await client.line(line => line.startsWith('interval'))
    await server.stop('SIGKILL')
    const { status, stderr } = await client.ended
    expect(status).toBe(1)
    expect(stderr).toMatch(/^serval: .*(ECONNRESET|EPIPE)/)
  })

  it('says so where nobody serves the name', async () => {
    const { status, stderr } = await world.run(['perf', 'client', 'nobody.example'])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^serval: .*nobody\.example.*\n$/)
  })
})
