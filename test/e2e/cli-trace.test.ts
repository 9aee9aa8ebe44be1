/** `serval trace`, by routers that are processes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld, type Running, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

async function router(...rules: string[]): Promise<{ running: Running; udp: string }> {
  const options = rules.flatMap(rule => ['--rule', rule])
  const running = await world.start(['router', '--bind', '127.0.0.1:0', '--json', ...options])
  const { udp } = (await running.firstJson()) as { udp: string[] }
  return { running, udp: udp[0]! }
}

const line = (number: number, from: string, role: string) =>
  new RegExp(
    `^ ${number}  ${from.replaceAll('.', '\\.')} +${role} +[\\d.]+ m?s  [\\d.]+ m?s  [\\d.]+ m?s$`,
    'm',
  )

interface TraceReport {
  readonly end: { readonly from: string; readonly by: string | null }
  readonly hops: readonly { readonly probes: readonly { readonly from: string }[] }[]
}

describe('a trace', () => {
  it('shows routers, then the instance, a line each as they answer', async () => {
    await world.start(['controller', '--bind', '127.0.0.1:0', '--api', '127.0.0.1:0'])
    const last = await router()
    const first = await router(`default FORWARD ${last.udp}`)
    await world.start(['perf', 'server', 'speed.example'])
    const env = { SERVAL_ROUTER: last.udp }
    const { status, stdout, stderr } = await world.run(['trace', '-w', '60s', 'speed.example'], { env })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^trace to speed\.example, 10 hops at most\n/)
    expect(stdout).toMatch(line(1, last.udp, 'router'))
    expect(stdout).toMatch(line(2, '\\S+', 'instance'))
    expect(stdout).toMatch(/\nspeed\.example is 2 hops away\n$/)
    for (const text of stdout.split('\n')) expect(text.length).toBeLessThanOrEqual(80)
    const report = await world.json<TraceReport>(['trace', '-w', '60s', 'other.example'], {
      env: { SERVAL_ROUTER: first.udp },
      status: 1,
    })
    expect(schemaErrors('trace', report)).toBe('')
    expect(report).toMatchObject({ service: 'other.example', reached: false, ended: 'no service' })
    expect(report.hops.map(({ probes }) => probes[0]?.from)).toEqual([first.udp, last.udp])
  })

  it('shows the way of streams, or that of datagrams where it is asked for', async () => {
    const [streams, datagrams] = [await router(), await router()]
    const first = await router(`news.example FORWARD ${streams.udp} stream, ${datagrams.udp} datagram`)
    const env = { SERVAL_ROUTER: first.udp }
    const report = (...options: string[]) =>
      world.json<TraceReport>(['trace', '-q', '1', '-w', '60s', ...options, 'news.example'], {
        env,
        status: 1,
      })
    const [one, other] = [await report(), await report('--protocol', 'datagram')]
    expect(schemaErrors('trace', other)).toBe('')
    expect([one, other]).toMatchObject([{ protocol: 'stream' }, { protocol: 'datagram' }])
    const second = [one, other].map(({ hops }) => hops[1]?.probes[0]?.from)
    expect(second).toEqual([streams.udp, datagrams.udp])
    // Its answer comes by way of the first, which it does not know.
    expect([one, other].map(({ end }) => end)).toMatchObject([
      { from: streams.udp, by: first.udp },
      { from: datagrams.udp, by: first.udp },
    ])
  })

  it('reaches a program of this host without any router', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const { status, stdout } = await world.run(['trace', '-q', '1', '-w', '60s', 'speed.example'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/\n 1 {2}\S+:\d+ +instance {2}[\d.]+ ms\nspeed\.example is 1 hop away\n$/)
  })

  it('names a loop of rules, with status 1', async () => {
    await world.start(['controller', '--bind', '127.0.0.1:0', '--api', '127.0.0.1:0'])
    const first = await router()
    const second = await router(`round.example FORWARD ${first.udp}`)
    const of = ['--of', String(first.running.pid)]
    await world.run(['rules', 'add', `round.example FORWARD ${second.udp}`, ...of])
    const env = { SERVAL_ROUTER: first.udp }
    const { status, stdout, stderr } = await world.run(['trace', '-w', '60s', 'round.example'], { env })
    expect(status).toBe(1)
    expect(stdout).toMatch(/^ 3 {2}\S+ +router [^(]*\(loop, it was hop 1\)$/m)
    expect(stderr).toBe(`serval: the rules of the routers lead round.example back to ${first.udp}: a loop\n`)
  })

  it('shows a * for who does not answer, and says in the end that nobody was reached', async () => {
    const env = { SERVAL_ROUTER: '127.0.0.1:9' }
    const args = ['trace', '-m', '2', '-w', '50ms', 'web.example']
    const { status, stdout, stderr } = await world.run(args, { env })
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'serval: no instance of web.example was reached\n',
    })
    expect(stdout).toBe('trace to web.example, 2 hops at most\n 1  *  *  *\n 2  *  *  *\n')
  })

  it('says what was tried where nothing could know the name', async () => {
    const { status, stdout, stderr } = await world.run(['trace', 'nobody.example'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: 'trace to nobody.example, 10 hops at most\n' })
    expect(stderr).toMatch(/^serval: no router or controller could be reached .*tried.*start one with/)
  })

  it('ends at once when it is told to', async () => {
    const env = { SERVAL_ROUTER: '127.0.0.1:9' }
    const running = await world.start(['trace', '-w', '60s', 'web.example'], { env })
    const { status, stderr } = await running.stop('SIGINT')
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'serval: stopped before the end was reached\n' })
  })

  it.each([
    [['trace'], "missing required argument 'name'"],
    [['trace', '-m', '0', 'a'], 'A whole number from 1 to 32 is accepted.'],
    [['trace', '-q', '11', 'a'], 'A whole number from 1 to 10 is accepted.'],
    [['trace', '-w', '0', 'a'], 'A time from 0.01 to 60 seconds is accepted'],
    [['trace', '-p', 'packet', 'a'], 'Allowed choices are stream, datagram.'],
    [['trace', 'no name'], '"no name" is not a service name'],
  ])('is refused with status 2 where it is asked for wrongly: %j', async (args, message) => {
    const { status, stdout, stderr } = await world.run(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^serval: [^\n]+\n$/)
  })
})
