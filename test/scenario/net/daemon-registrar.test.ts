/** Registrations of 2014's daemons on their way: datagrams on raw packets, the registrar, a controller, and its REST. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { startController } from '../../../controller/index.ts'
import { DAEMON_LEASE_MS } from '../../../src/control/daemon-leases.ts'
import { REGISTRAR } from '../../../src/control/daemon-message.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { DaemonRegistrar } from '../../../src/net/daemon-registrar.ts'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { Stacks } from '../../support/net/stacks.ts'

/** A host of a network in memory, for a stack that would otherwise open raw sockets. */
const places = vi.hoisted((): { next: unknown } => ({ next: undefined }))
vi.mock('../../../src/net/profile-parts.ts', () => ({
  profileParts: () => ({ dialect: dialect2014, newNetwork: () => places.next }),
}))

const WEB = serviceId(0x02be)
const FILES = serviceId(0x02bf)
const REGISTER = 0
const UNREGISTER = 1
/** The port is no packet's: it tells links of the network in memory apart. */
const PORT = 54_325

let stacks: Stacks
let network: MemoryNetwork
let rest: string
let registrar: DaemonRegistrar
beforeEach(async () => {
  stacks = new Stacks()
  network = new MemoryNetwork()
  const { addresses } = stacks.add(
    await startController({
      control: false,
      api: { address: '127.0.0.1', port: 0 },
      runtimeDir: { path: stacks.runtimeDir },
      leaseMs: 1000 * DAEMON_LEASE_MS,
    }),
  )
  rest = addresses.api!.url
  places.next = network.host('10.14.0.1')
  const { unix: path } = addresses
  const { runtimeDir } = stacks
  const options = { bind: `10.14.0.1:${PORT}`, runtimeDir, controller: `unix:${path}` }
  registrar = stacks.add(await DaemonRegistrar.open({ path: path! }, options))
})
afterEach(async () => {
  vi.useRealTimers()
  await stacks.close()
})

it('each service of a host is known until it is taken back, and its others longer', async () => {
  const daemon = await openDaemon('10.14.0.2')
  await daemon.say(REGISTER, WEB)
  await daemon.say(REGISTER, FILES)
  await known({ [WEB]: ['10.14.0.2'], [FILES]: ['10.14.0.2'] })
  expect(await hosts()).toContain('10.14.0.2')
  await daemon.say(UNREGISTER, WEB)
  await known({ [WEB]: [], [FILES]: ['10.14.0.2'] })
  await daemon.say(REGISTER, WEB)
  await known({ [WEB]: ['10.14.0.2'], [FILES]: ['10.14.0.2'] })
  await daemon.say(UNREGISTER, WEB)
  await daemon.say(UNREGISTER, FILES)
  await known({ [WEB]: [], [FILES]: [] })
  await vi.waitFor(async () => expect(await hosts()).not.toContain('10.14.0.2'), 60_000)
  await daemon.say(REGISTER, FILES)
  await known({ [WEB]: [], [FILES]: ['10.14.0.2'] })
})

it('hosts that serve the same are instances of it, and each leaves by itself', async () => {
  const one = await openDaemon('10.14.0.2')
  const other = await openDaemon('10.14.0.3')
  await Promise.all([one.say(REGISTER, WEB), other.say(REGISTER, WEB)])
  await known({ [WEB]: ['10.14.0.2', '10.14.0.3'] })
  await one.say(UNREGISTER, WEB)
  await known({ [WEB]: ['10.14.0.3'] })
})

it('nothing is known of what was registered once nobody listens any more', async () => {
  const daemon = await openDaemon('10.14.0.2')
  await daemon.say(REGISTER, WEB)
  await known({ [WEB]: ['10.14.0.2'] })
  await registrar.close()
  await known({ [WEB]: [] })
})

it('a host that moves takes its service with it', async () => {
  const daemon = await openDaemon('10.14.0.2')
  await daemon.say(REGISTER, WEB)
  await known({ [WEB]: ['10.14.0.2'] })
  const moved = await openDaemon('10.14.0.4')
  await moved.say(REGISTER, WEB, '10.14.0.2')
  await known({ [WEB]: ['10.14.0.4'] })
})

it('what is not said again is forgotten, and what is said again is not', async () => {
  const [silent, alive] = [await openDaemon('10.14.0.2'), await openDaemon('10.14.0.3')]
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: performance.now() })
  await silent.say(REGISTER, WEB)
  await alive.say(REGISTER, WEB)
  await known({ [WEB]: ['10.14.0.2', '10.14.0.3'] })
  vi.advanceTimersByTime(DAEMON_LEASE_MS / 2)
  await alive.say(REGISTER, WEB)
  vi.advanceTimersByTime(DAEMON_LEASE_MS / 2 + 1000)
  await known({ [WEB]: ['10.14.0.3'] })
})

/** A daemon of the original's at an address. */
async function openDaemon(address: string) {
  places.next = network.host(address)
  const stack = stacks.open({
    profile: '2014',
    bind: `${address}:${PORT}`,
    runtimeDir: `${stacks.runtimeDir}/${address}`,
  })
  const prefix = new ServicePrefix(ServiceId.parse(REGISTRAR), 256)
  const targets = [{ endpoint: { address: '10.14.0.1', port: PORT } }]
  stack.serviceTable.insert(prefix, { type: 'FORWARD', targets }, { source: 'config' })
  const from = await stack.listen(serviceId(55_555), { datagrams: { onMessages: () => undefined } }, () => ({
    onSignals: () => undefined,
  }))
  return {
    /** Resolves when it has been heard: a packet leaves in one turn, and memory brings it in the next. */
    async say(type: number, service: string, movedFrom?: string): Promise<void> {
      stack.send({ from, payload: message(type, service, movedFrom), to: REGISTRAR })
      for (let turns = 0; turns < 10; turns++) await nextTurn()
    },
  }
}

function message(type: number, service: string, movedFrom = '0.0.0.0'): Uint8Array {
  const payload = new Uint8Array(48)
  payload.set([type, 0, 0, 48], 0)
  payload[8] = movedFrom === '0.0.0.0' ? 0 : 1
  payload.set(movedFrom.split('.').map(Number), 12)
  payload.set(ServiceId.parse(service).toBytes(), 16)
  return payload
}

function serviceId(number: number): string {
  return `x-${number.toString(16).padStart(8, '0').padEnd(64, '0')}`
}

/** The controller comes to know these addresses of these services, and no others. */
async function known(expected: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const services = Object.keys(expected)
  await vi.waitFor(async () => {
    const found = await Promise.all(services.map(async service => [service, await addressesOf(service)]))
    expect(Object.fromEntries(found)).toEqual(expected)
  }, 60_000)
}

async function addressesOf(service: string): Promise<string[]> {
  const answer = await fetch(`${rest}/v1/services/${service}`)
  if (answer.status === 404) return []
  const { instances } = (await answer.json()) as { instances: { endpoints: string[] }[] }
  return instances.flatMap(({ endpoints }) => endpoints.map(text => text.split(':')[0]!)).sort()
}

async function hosts(): Promise<string[]> {
  const answer = await fetch(`${rest}/v1/hosts`)
  const { hosts } = (await answer.json()) as { hosts: { host: string }[] }
  return hosts.map(({ host }) => host)
}
