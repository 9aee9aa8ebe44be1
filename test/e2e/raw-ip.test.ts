/**
 * The 2014 profile on raw IP, between processes on hosts of their own: neighbours that find each other by broadcast, and
 * ends that know nothing but a service router. What passes is looked at in the captures that the programs write.
 */
import { afterEach, expect, it } from 'vitest'
import { parsePacket, type SalPacket } from '../../src/wire/packet.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { parseRawPacket } from '../../src/wire/raw-ip.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { schemaErrors } from '../support/cli.ts'
import { Chain } from '../support/lab/chain.ts'
import { describeInLab } from '../support/lab/describe-in-lab.ts'
import type { Program, ProgramEvent } from '../support/lab/program.ts'
import { readCapture } from '../support/pcap.ts'

const NAME = 'line.lab.example'

let chain: Chain
afterEach(() => chain.close())

describeInLab('neighbours on raw IP', () => {
  it('meet by broadcast, talk both ways, and part', async () => {
    const { caller, server } = await startLine(0)
    const connected = await connect(caller, server)
    expect(connected).toMatchObject({ local: '10.14.1.1', remote: '10.14.1.2' })
    caller.say('write question')
    await server.event('read', ({ text }) => text === 'question')
    server.say('write answer')
    await caller.event('read', ({ text }) => text === 'answer')
    caller.say('end')
    await server.event('ended')
    server.say('write and more')
    await caller.event('read', ({ text }) => text === 'answerand more')
    server.say('end')
    await caller.event('ended')
    expect(await caller.event('closed')).toMatchObject({ hadError: false })
    expect(await server.event('closed')).toMatchObject({ hadError: false })
  })

  it('meet where the server comes after the first question', async () => {
    chain = new Chain(0)
    const caller = chain.client.run('line.js', ['call', NAME])
    await caller.event('ready')
    caller.say('call')
    const server = chain.server.run('line.js', ['serve', NAME])
    await Promise.all([caller.event('connected'), server.event('connected')])
  })

  it('meet where the system finds their interfaces to be up only after they have begun', async () => {
    chain = new Chain(0)
    const interfaces = [
      [chain.client, 'right'],
      [chain.server, 'left'],
    ] as const
    const set = (mode: string, state: string) => {
      for (const [{ namespace }, name] of interfaces)
        namespace.ip('link', 'set', 'dev', name, 'mode', mode, 'state', state)
    }
    set('dormant', 'dormant')
    const server = chain.server.run('line.js', ['serve', NAME], { env: { SERVAL_BIND: '10.14.1.2' } })
    const caller = chain.client.run('line.js', ['call', NAME])
    await Promise.all([server.event('ready'), caller.event('ready')])
    caller.say('call')
    set('default', 'up')
    await Promise.all([caller.event('connected'), server.event('connected')])
  })

  it('meet on whichever of its interfaces the caller has the server', async () => {
    chain = new Chain(1)
    const [middle] = chain.routers
    for (const host of [chain.client, chain.server]) {
      const server = host.run('line.js', ['serve', NAME])
      const caller = middle!.run('line.js', ['call', NAME])
      await Promise.all([server.event('ready'), caller.event('ready')])
      expect(await connect(caller, server)).toMatchObject({ remote: chain.addressOf(host) })
      await Promise.all([caller.stop(), server.stop()])
    }
  })

  it.each([
    ['the caller', 'the server'],
    ['the server', 'the caller'],
  ])('learn at once that %s has reset the connection', async who => {
    const { caller, server } = await startLine(0)
    await connect(caller, server)
    const [resetting, other] = who === 'the caller' ? [caller, server] : [server, caller]
    resetting.say('reset')
    expect(await other.event('error')).toMatchObject({ code: 'ECONNRESET' })
    expect(await other.event('closed')).toMatchObject({ hadError: true })
  })

  it.each(['caller', 'server'])('go on when the %s moves to another address', async who => {
    const { caller, server } = await startLine(0)
    await connect(caller, server)
    const [moving, host, other] =
      who === 'caller' ? [caller, chain.client, server] : [server, chain.server, caller]
    const address = who === 'caller' ? '10.14.1.11' : '10.14.1.12'
    const interfaceName = who === 'caller' ? 'right' : 'left'
    host.namespace.ip('addr', 'add', `${address}/24`, 'dev', interfaceName)
    moving.say(`move ${address}`)
    await moving.event('moved')
    moving.say('write from afar')
    await other.event('read', ({ text }) => text === 'from afar')
    other.say('write heard')
    await moving.event('read', ({ text }) => text === 'heard')
  })

  it('go on when the address of one is taken away, and it has another', async () => {
    const { caller, server } = await startLine(0)
    await connect(caller, server)
    const { namespace } = chain.client
    // Else the second address of a subnet goes with the first.
    namespace.sysctl('net.ipv4.conf.right.promote_secondaries', 1)
    namespace.ip('addr', 'add', '10.14.1.11/24', 'dev', 'right')
    namespace.ip('addr', 'del', '10.14.1.1/24', 'dev', 'right')
    caller.say('write from afar')
    await server.event('read', ({ text }) => text === 'from afar')
    server.say('write heard')
    await caller.event('read', ({ text }) => text === 'heard')
  })

  it('are not disturbed by a program on one of the hosts that knows nothing of theirs', async () => {
    const { caller, server } = await startLine(0)
    const strangers = [chain.server, chain.client].map(host =>
      host.run('line.js', ['serve', 'other.lab.example'], { env: { SERVAL_RUNTIME_DIR: host.path('else') } }),
    )
    await Promise.all(strangers.map(stranger => stranger.event('ready')))
    await connect(caller, server)
    caller.say('write question')
    await server.event('read', ({ text }) => text === 'question')
    server.say('write answer')
    await caller.event('read', ({ text }) => text === 'answer')
    expect([...caller.all('error'), ...server.all('error')]).toEqual([])
  })

  it('carry megabytes unharmed', async () => {
    chain = new Chain(0)
    const server = chain.server.serval(['perf', 'server', NAME, '--json'])
    await server.event('ready')
    for (const way of [[], ['--reverse']]) {
      const client = chain.client.serval(['perf', 'client', NAME, '--bytes', '4M', '--json', ...way])
      expect(await client.exited).toMatchObject({ code: 0 })
      expect(client.events[0]).toMatchObject({ mismatches: 0 })
    }
  })

  it('send each other messages, without a flow and with one', async () => {
    chain = new Chain(0)
    const { caller, server } = await startMessages()
    await exchangeMessages(caller, server)
  })
})

for (const routers of [1, 2])
  describeInLab(`ends with ${routers} 2014 routers between them`, () => {
    it('connect through them and talk past them', async () => {
      const { caller, server } = await startLine(routers)
      const addresses = await startRouters()
      expect(await connect(caller, server)).toMatchObject({
        local: '10.14.1.1',
        remote: chain.addressOf(chain.server),
      })
      caller.say('write question')
      await server.event('read', ({ text }) => text === 'question')
      server.say('write answer')
      await caller.event('read', ({ text }) => text === 'answer')
      caller.say('end')
      server.say('end')
      await Promise.all([caller.event('closed'), server.event('closed')])
      // A capture is written from time to time, and a program that is killed writes no more.
      const capture = chain.server.path('server.pcap')
      await expect.poll(() => packetsOf(capture).length, { timeout: 60_000 }).toBeGreaterThan(6)
      await Promise.all([caller.stop(), server.stop()])

      const [syn, synAck, ...rest] = packetsOf(capture)
      const ways = ['10.14.1.1', ...addresses]
      expect(syn?.extension('source')?.addresses).toEqual(ways)
      expect(synAck?.extension('source')?.addresses).toEqual([...ways, chain.addressOf(chain.server)])
      expect(rest.filter(packet => packet.extension('source') !== undefined)).toEqual([])
    })

    it('send messages through them', async () => {
      chain = new Chain(routers)
      await startRouters()
      const { caller, server } = await startMessages()
      await exchangeMessages(caller, server)
    })
  })

describeInLab('what a daemon of 2014 has registered', () => {
  it('is served through a router, until it is taken back', async () => {
    const service = `x-${'000002be'.padEnd(64, '0')}`
    chain = new Chain(1)
    const [middle] = chain.routers
    const controller = ['controller', '--profile', '2014', '--pcap', 'controller.pcap', '--json']
    const { api } = await middle!.serval(controller).event('ready')
    await middle!.serval(['router', '--profile', '2014', '--json']).event('ready')
    const server = chain.server.run('line.js', ['serve', service])
    const daemon = chain.server.run('servd.js', [service])
    const caller = chain.client.run('line.js', ['call', service], { env: towardsRouter() })
    await Promise.all([server, daemon, caller].map(program => program.event('ready')))
    const isKnown = async () => {
      const answer = middle!.run('get.js', [`${api}/v1/services/${service}`])
      return (await answer.event('answer')).status === 200
    }
    daemon.say('register')
    await expect.poll(isKnown, { timeout: 30_000 }).toBe(true)
    await connect(caller, server)
    daemon.say('unregister')
    await expect.poll(isKnown, { timeout: 30_000 }).toBe(false)
    const capture = middle!.path('controller.pcap')
    await expect.poll(() => packetsOf(capture).length, { timeout: 60_000 }).toBeGreaterThan(1)
  })
})

/** A line between client and server: the one waits to be called, the other to be told to call. */
async function startLine(routers: number) {
  chain = new Chain(routers)
  const server = chain.server.run('line.js', ['serve', NAME], { env: { SERVAL_PCAP: 'server.pcap' } })
  const caller = chain.client.run('line.js', ['call', NAME], { env: towardsRouter() })
  await Promise.all([server.event('ready'), caller.event('ready')])
  return { caller, server }
}

async function startMessages() {
  const server = chain.server.run('message.js', ['serve', NAME])
  const caller = chain.client.run('message.js', ['call', NAME], { env: towardsRouter() })
  await Promise.all([server.event('ready'), caller.event('ready')])
  return { caller, server }
}

/** Each sends on to the next one. Their addresses are returned. */
async function startRouters(): Promise<string[]> {
  const { routers, server } = chain
  await Promise.all(
    routers.map(async (host, i) => {
      const next = chain.addressOf(routers[i + 1] ?? server)
      const router = host.serval([
        'router',
        '--profile',
        '2014',
        '--rule',
        `${NAME} FORWARD ${next}`,
        '--json',
      ])
      const ready = await router.event('ready')
      expect(schemaErrors('ready', ready)).toBe('')
      expect(ready.ip).toContain(chain.addressOf(host))
    }),
  )
  return routers.map(host => chain.addressOf(host))
}

function towardsRouter(): Record<string, string> {
  const [first] = chain.routers
  return first === undefined ? {} : { SERVAL_ROUTER: chain.addressOf(first) }
}

/** What the caller says of it. */
async function connect(caller: Program, server: Program): Promise<ProgramEvent> {
  caller.say('call')
  const [connected] = await Promise.all([caller.event('connected'), server.event('connected')])
  return connected
}

/** Messages of both kinds come once, as they were sent, and are answered to whom they are from. */
async function exchangeMessages(caller: Program, server: Program): Promise<void> {
  caller.say('send unconnected')
  const address = chain.addressOf(chain.server)
  await caller.event('message', message => message.text === 'unconnected!' && message.address === address)
  caller.say('connect')
  await caller.event('connected')
  caller.say('say connected')
  await caller.event('message', message => message.text === 'connected!')
  caller.say('close')
  await caller.event('closed')
  const heard = server.all('message').map(({ text, address }) => ({ text, address }))
  expect(heard).toEqual(['unconnected', 'connected'].map(text => ({ text, address: '10.14.1.1' })))
}

function packetsOf(path: string): SalPacket[] {
  return readCapture(path).map(({ bytes }) => {
    const raw = parseRawPacket(bytes, bytes.length)
    const packet = raw instanceof WireError ? raw : parsePacket(bytes, raw.start, raw.end, profile2014)
    if (packet instanceof WireError) throw new Error(`${path}: ${packet.message}`)
    return packet
  })
}
