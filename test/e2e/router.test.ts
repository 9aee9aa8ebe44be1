/** The router as a process, its workers and their batches included, over loopback. */
import { execFile } from 'node:child_process'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { serviceIdOf } from '../../src/id/name.ts'
import { SHIM_BYTES } from '../../src/wire/encapsulation.ts'
import { control, controlFlags } from '../../src/wire/extensions/control.ts'
import { reasonCodes } from '../../src/wire/extensions/reason.ts'
import { route } from '../../src/wire/extensions/route.ts'
import { service } from '../../src/wire/extensions/service.ts'
import { peekDstFlowId, peekSrcFlowId, protocols } from '../../src/wire/sal-header.ts'
import { Program } from '../support/lab/program.ts'
import { packetBytes, parse, routeOf, syn } from '../support/router-trace.ts'

const ECHO_SERVER = fileURLToPath(new URL('programs/echo-server.js', import.meta.url))
const SERVAL = fileURLToPath(new URL('../../dist/lib/serval.js', import.meta.url))

let folder: string
let programs: Program[]
let sockets: Socket[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serval-test-'))
  programs = []
  sockets = []
})
afterEach(async () => {
  for (const socket of sockets) socket.close()
  await Promise.all(programs.map(program => program.stop('SIGKILL')))
  rmSync(folder, { recursive: true, force: true })
})

function start(...args: readonly string[]): Program {
  return run([SERVAL, 'router', '--json', ...args])
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const settings = { SERVAL_RUNTIME_DIR: folder, ...env }
  const program = new Program(process.execPath, args, { cwd: folder, env: settings })
  programs.push(program)
  return program
}

/** What a command prints. */
/** What ten thousand rules take as JSON, and more. */
const MAX_OUTPUT_BYTES = 64 << 20

async function serval(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, SERVAL_RUNTIME_DIR: folder }
  const options = { cwd: folder, env, maxBuffer: MAX_OUTPUT_BYTES }
  const { stdout } = await promisify(execFile)(process.execPath, [SERVAL, ...args], options)
  return stdout
}

/** Where it listens, once it does. */
async function router(...args: readonly string[]): Promise<string> {
  const { udp } = await start('--bind', '127.0.0.1:0', '--workers', '2', ...args).event('ready')
  return udp[0]
}

async function socket(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket('udp4')
  sockets.push(socket)
  socket.bind(0, address)
  await once(socket, 'listening')
  socket.setRecvBufferSize(1 << 20)
  return socket
}

function placeOf(socket: Socket): string {
  const { address, port } = socket.address()
  return `${address}:${port}`
}

function send(from: Socket, bytes: Uint8Array, to: string): void {
  const [address, port] = to.split(':')
  from.send(bytes, Number(port), address)
}

async function received(socket: Socket): Promise<{ bytes: Uint8Array; from: string }> {
  const [bytes, { address, port }] = (await once(socket, 'message')) as [Buffer, RemoteInfo]
  return { bytes: new Uint8Array(bytes), from: `${address}:${port}` }
}

describe('serval router', () => {
  it('sends a SYN on through a chain of three, each of which notes where it came from', async () => {
    const [client, server] = [await socket(), await socket()]
    const third = await router('--rule', `web.example FORWARD ${placeOf(server)}`)
    const second = await router('--rule', `default FORWARD ${third}`)
    const first = await router('--rule', `*.example FORWARD ${second}`)
    const arrival = received(server)
    send(client, syn(), first)
    const { bytes, from } = await arrival
    expect(from).toBe(third)
    expect(bytes[1]).toBe(32 - 3)
    expect(routeOf(bytes).map(({ address, port }) => `${address}:${port}`)).toEqual([
      placeOf(client),
      first,
      second,
    ])
  })

  it('answers at once a SYN for what nobody serves, for what a rule drops, and one without hops', async () => {
    const client = await socket()
    const place = await router('--rule', 'web.example DROP not today')
    for (const [packet, code] of [
      [syn({ to: 'other.test' }), reasonCodes.NO_SERVICE],
      [syn(), reasonCodes.DROPPED],
      [syn({ hops: 0 }), reasonCodes.HOP_LIMIT],
    ] as const) {
      const arrival = received(client)
      send(client, packet, place)
      expect(parse((await arrival).bytes).extension('reason')?.code).toBe(code)
    }
  })

  it('brings an answer back along ROUTE, to a client that only hears from the router', async () => {
    const [client, server] = [await socket(), await socket()]
    const second = await router('--rule', `web.example FORWARD ${placeOf(server)}`)
    const first = await router('--rule', `default FORWARD ${second}`)
    const asked = received(server)
    send(client, syn({ flowId: 0x0c }), first)
    const { bytes, from } = await asked
    const answer = packetBytes({
      srcFlowId: 0x0d,
      dstFlowId: 0x0c,
      protocol: 6,
      extensions: [control(controlFlags.SYN | controlFlags.ACK, 1, 2), route(routeOf(bytes))],
    })
    const answered = received(client)
    send(server, answer, from)
    const back = await answered
    expect(back.from).toBe(first)
    expect(back.bytes.slice(SHIM_BYTES)).toEqual(answer.slice(SHIM_BYTES))
  })

  it('leads to a server that has never heard of it', async () => {
    const server = run([ECHO_SERVER, 'web.example', 'echo'], { SERVAL_BIND: '127.0.0.1:0' })
    const { address, port } = await server.event('ready')
    const place = await router('--rule', `web.example FORWARD ${address}:${port}`)
    // Others of the host must not find it without the router.
    const elsewhere = { SERVAL_ROUTER: place, SERVAL_RUNTIME_DIR: join(folder, 'elsewhere') }
    const ping = run([SERVAL, 'ping', 'web.example', '--count', '1'], elsewhere)
    expect(await ping.exited).toMatchObject({ code: 0 })
  })

  it('tells a client of a loop of rules, and at which router it shows', async () => {
    const client = await socket()
    const starts = start('--bind', '127.0.0.1:0', '--workers', '2')
    const first: string = (await starts.event('ready')).udp[0]
    const second = await router('--rule', `web.example FORWARD ${first}`)
    await serval('rules', 'add', '--of', String(starts.pid), `web.example FORWARD ${second}`)
    const arrival = received(client)
    send(client, syn(), first)
    expect(parse((await arrival).bytes).extension('reason')).toMatchObject({
      code: reasonCodes.LOOP,
      detail: first,
    })
  })

  it('forwards for many sources in both of its workers, and counts what they do together', async () => {
    const server = await socket()
    const clients = await Promise.all(Array.from({ length: 64 }, () => socket()))
    const rule = ['--rule', `web.example FORWARD ${placeOf(server)}`]
    const running = start('--bind', '127.0.0.1:0', '--workers', '2', ...rule)
    const stream = new SynStream(clients, server, (await running.event('ready')).udp[0])
    const sending = stream.run()
    await stream.hasCome(1000)
    stream.end()
    await sending
    await stream.hasCome(stream.sent)
    const [{ rules }] = JSON.parse(await serval('rules', 'list', '--json')).processes
    expect(rules).toMatchObject([{ pattern: 'web.example', packets: stream.sent, drops: 0 }])
  })

  it('refuses to take over where it could not', async () => {
    for (const how of [
      ['--workers', '0'],
      ['--profile', '2014'],
    ]) {
      const heir = start('--bind', '127.0.0.1:0', '--take-over', ...how)
      expect(await heir.exited).toMatchObject({ code: 2 })
    }
  })

  it('captures what comes to all of its workers and goes from them, whole and nothing twice', async () => {
    const server = await socket()
    const clients = await Promise.all(Array.from({ length: 32 }, () => socket()))
    const rule = ['--rule', `web.example FORWARD ${placeOf(server)}`]
    const running = start('--bind', '127.0.0.1:0', '--workers', '2', '--pcap', 'router.pcap', ...rule)
    const place: string = (await running.event('ready')).udp[0]
    const stream = new SynStream(clients, server, place)
    const sending = stream.run()
    await stream.hasCome(1000)
    stream.end()
    await sending
    await stream.hasCome(stream.sent)
    await running.stop('SIGTERM')
    const lines = (await serval('dump', 'router.pcap')).trimEnd().split('\n')
    const to = (there: string) => lines.filter(line => line.includes(` > ${there} `))
    expect([to(place).length, to(placeOf(server)).length]).toEqual([stream.sent, stream.sent])
    const flowIds = (of: readonly string[]) =>
      of.map(line => /([0-9a-f]{8})>00000000 SYN/.exec(line)?.[1]).sort()
    expect(flowIds(to(place))).toEqual(flowIds(to(placeOf(server))))
    expect(to(placeOf(server)).every(line => line.includes(` ${place} > `))).toBe(true)
  })

  it('takes ten thousand rules while it forwards, and loses nothing', async () => {
    const server = await socket()
    const clients = await Promise.all(Array.from({ length: 8 }, () => socket()))
    const place = await router('--rule', `web.example FORWARD ${placeOf(server)}`)
    const file = join(folder, 'many.rules')
    const rules = Array.from({ length: 10_000 }, (_, i) => `s${i}.example FORWARD 10.0.0.1:7000\n`)
    writeFileSync(file, rules.join(''))
    const stream = new SynStream(clients, server, place)
    const running = stream.run()
    await stream.hasCome(500)
    await serval('rules', 'import', file)
    await stream.hasCome(stream.sent + 500)
    stream.end()
    await running
    await stream.hasCome(stream.sent)
    expect(stream.missing()).toEqual([])
    const [process] = JSON.parse(await serval('rules', 'list', '--json')).processes
    expect(process.rules).toHaveLength(10_001)
  })

  it.each([
    ['in workers', {}],
    ['in one thread, as it must be without koffi', { offload: 'dgram' }],
  ])('sends on packets longer than Ethernet has, and short ones, %s', async (_where, config) => {
    writeFileSync(join(folder, 'serval.json'), JSON.stringify(config))
    const [client, server] = [await socket(), await socket()]
    const place = await router('--rule', `web.example FORWARD ${placeOf(server)}`)
    for (const length of [8000, 1400, 8000, 0]) {
      const transport = Uint8Array.from({ length }, (_byte, i) => (i * 31) >> 3)
      const to = service(serviceIdOf('web.example'))
      const arrival = received(server)
      send(
        client,
        packetBytes({
          srcFlowId: 9,
          dstFlowId: 0,
          protocol: protocols.DATAGRAM,
          extensions: [to],
          transport,
        }),
        place,
      )
      const { bytes, from } = await arrival
      expect(from).toBe(place)
      expect(parse(bytes).transport).toEqual(transport)
      const { address, port } = client.address()
      expect(routeOf(bytes)).toMatchObject([{ address, port }])
    }
  })

  it('takes packets of those on its list alone', async () => {
    const [friend, stranger, server] = [await socket('127.0.0.2'), await socket('127.0.0.1'), await socket()]
    const place = await router('--allow', '127.0.0.2', '--rule', `web.example FORWARD ${placeOf(server)}`)
    const arrival = received(server)
    for (let flowId = 1; flowId <= 20; flowId++) send(stranger, syn({ flowId }), place)
    send(friend, syn({ flowId: 0x0f }), place)
    expect(peekSrcFlowId((await arrival).bytes, SHIM_BYTES)).toBe(0x0f)
  })

  it.skipIf(getPriority() + NICER > NICEST)('lets its workers come before what else it does', async () => {
    const running = start('--bind', '127.0.0.1:0', '--workers', '2')
    await running.event('ready')
    const niceness = readdirSync(`/proc/${running.pid}/task`).map(thread => getPriority(Number(thread)))
    expect(niceness.filter(nice => nice === getPriority())).toHaveLength(2)
    expect(niceness.filter(nice => nice === getPriority() + NICER)).toHaveLength(niceness.length - 2)
  })

  it('refuses an address that another router has, unless it is to take over', async () => {
    const place = await router()
    const { code } = await start('--bind', place).exited
    expect(code).toBe(1)
  })

  it('is replaced by another one without a SYN being lost', async () => {
    const server = await socket()
    const clients = await Promise.all(Array.from({ length: 8 }, () => socket()))
    const rule = ['--rule', `web.example FORWARD ${placeOf(server)}`]
    const old = start('--bind', '127.0.0.1:0', '--workers', '2', '--grace', '1', ...rule)
    const place: string = (await old.event('ready')).udp[0]
    const stream = new SynStream(clients, server, place)
    const running = stream.run()
    await stream.hasCome(500)
    const heir = start('--bind', place, '--workers', '2', '--take-over', ...rule)
    await heir.event('ready')
    await stream.hasCome(stream.sent + 500)
    expect(await old.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    await stream.hasCome(stream.sent + 500)
    stream.end()
    await running
    await stream.hasCome(stream.sent)
    expect(stream.missing()).toEqual([])
  })

  it('relays the answers to what the router sent on whose place it takes, and the other way round', async () => {
    const clients = await Promise.all(Array.from({ length: 64 }, () => socket()))
    const server = await socket()
    answerAll(server)
    const answered = new Set<number>()
    for (const client of clients) {
      client.on('message', bytes => answered.add(peekDstFlowId(bytes, SHIM_BYTES)))
    }
    const rule = ['--rule', `web.example FORWARD ${placeOf(server)}`]
    const first = await start('--bind', '127.0.0.1:0', '--workers', '2', ...rule).event('ready')
    const [place] = first.udp
    for (const generation of ['second', 'third']) {
      await start('--bind', place, '--workers', '2', '--take-over', ...rule).event('ready')
      answered.clear()
      for (const [i, client] of clients.entries()) send(client, syn({ flowId: i + 1 }), place)
      await vi.waitFor(() => expect(answered.size, generation).toBe(clients.length), 5000)
    }
  })
})

/** Answers each SYN by way of where it came from, along its ROUTE. */
function answerAll(server: Socket): void {
  server.on('message', (bytes, { address, port }) => {
    const answer = packetBytes({
      srcFlowId: 0x0d,
      dstFlowId: peekSrcFlowId(bytes, SHIM_BYTES),
      protocol: protocols.STREAM,
      extensions: [control(controlFlags.SYN | controlFlags.ACK, 1, 2), route(routeOf(bytes))],
    })
    send(server, answer, `${address}:${port}`)
  })
}

/** SYNs from several clients without a pause, and never more under way than a socket holds. */
class SynStream {
  sent = 0
  readonly #clients: readonly Socket[]
  readonly #router: string
  readonly #come = new Set<number>()
  readonly #waiting = new Set<() => void>()
  #isEnded = false

  constructor(clients: readonly Socket[], server: Socket, router: string) {
    this.#clients = clients
    this.#router = router
    server.on('message', bytes => {
      this.#come.add(peekSrcFlowId(bytes, SHIM_BYTES))
      for (const look of [...this.#waiting]) look()
    })
  }

  async run(): Promise<void> {
    while (!this.#isEnded) {
      for (const client of this.#clients) send(client, syn({ flowId: ++this.sent }), this.#router)
      await this.hasCome(this.sent - WINDOW)
    }
  }

  end(): void {
    this.#isEnded = true
  }

  hasCome(count: number): Promise<void> {
    return new Promise(resolve => {
      const look = () => {
        if (this.#come.size < count) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  missing(): number[] {
    return Array.from({ length: this.sent }, (_, i) => i + 1).filter(flowId => !this.#come.has(flowId))
  }
}

const WINDOW = 64
/** What threads that are not workers add to their niceness, and how nice one can be (nice(2)). */
const NICER = 10
const NICEST = 19
