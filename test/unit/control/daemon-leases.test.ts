/** Registrations of the original's daemons: those that were captured, and what may come instead of them. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DAEMON_LEASE_LIMIT, DAEMON_LEASE_MS, DaemonLeases } from '../../../src/control/daemon-leases.ts'
import { REGISTRAR } from '../../../src/control/daemon-message.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { parseRawPacket, RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

/** The daemon's own service, and that of a server beside it. */
const CLIENT = serviceId(0xd903)
const SERVER = serviceId(0x02be)

function serviceId(number: number): string {
  return `x-${number.toString(16).padStart(8, '0').padEnd(64, '0')}`
}

interface Message {
  readonly flags?: number
  readonly type?: number
  readonly bits?: number
  readonly movedFrom?: string
  readonly service?: string
}

function message({ type = 0, bits = 0, movedFrom, service = SERVER, flags }: Message = {}): Uint8Array {
  const payload = new Uint8Array(48)
  payload.set([type, 0, 0, 48], 0)
  payload[8] = flags ?? (movedFrom === undefined ? 0 : 1)
  payload[10] = bits
  payload.set((movedFrom ?? '0.0.0.0').split('.').map(Number), 12)
  payload.set(ServiceId.parse(service).toBytes(), 16)
  return payload
}

/** The changes that come of messages `[at, from, message]`, as text. */
function changes(leases: DaemonLeases, ...messages: [number, string, Uint8Array][]): string[] {
  return messages.flatMap(([at, from, payload]) =>
    leases
      .handleMessage(payload, from, at)
      .map(({ type, address, prefix }) => `${at} ${type} ${address} ${prefix}`),
  )
}

describe('registrations of daemons', () => {
  it.each([
    { file: 'f_servd', from: 5, to: 15, registered: [5, 7], withdrawn: 14 },
    { file: 'f2_servd_refresh', from: 5, to: 18, registered: [5, 7], withdrawn: 18 },
  ])('are taken as captured in $file, and lapse', ({ file, from, to, registered, withdrawn }) => {
    const random = new Random(1)
    const sal = new Sal({ dialect: dialect2014, randomBytes: n => random.bytes(n) })
    sal.addLocal(
      { id: 1, endpoint: { address: '10.77.4.254', port: RAW_PORT }, prefixBits: 24, mtu: 1500 },
      0,
    )
    const listener = sal.listen({ serviceId: ServiceId.parse(REGISTRAR), protocol: protocols.DATAGRAM })
    const leases = new DaemonLeases()
    const log: string[] = []
    let lastAt = 0
    for (const { number, atMs, bytes } of readCapture(join(VECTORS, `${file}.pcap`))) {
      if (number < from || number > to) continue
      const raw = parseRawPacket(bytes, bytes.length)
      if (raw instanceof WireError) throw raw
      if (raw.source === '10.77.4.254') continue
      sal.handleDatagram(bytes, bytes.length, 1, { address: raw.source, port: RAW_PORT }, atMs)
      const { payload, remote } = listener.inbox.take()!
      for (const { type, address, prefix } of leases.handleMessage(payload, remote.address, atMs))
        log.push(`${number} ${type} ${address} ${prefix}`)
      lastAt = atMs
    }
    const [client, server] = registered
    expect(log).toEqual([
      `${client} registered 10.77.4.2 ${CLIENT}`,
      `${server} registered 10.77.4.2 ${SERVER}`,
      `${withdrawn} withdrawn 10.77.4.2 ${SERVER}`,
    ])
    expect(leases.counters).toEqual({ malformed: 0, refused: 0, tooMany: 0 })
    expect(sal.counters).toEqual({})
    expect(leases.nextTimeoutAt).toBeLessThanOrEqual(lastAt + DAEMON_LEASE_MS)
    expect(leases.handleTimeout(lastAt + DAEMON_LEASE_MS)).toMatchObject([
      { type: 'withdrawn', address: '10.77.4.2' },
    ])
    expect(leases.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('live as long as they are refreshed, each by itself', () => {
    const leases = new DaemonLeases()
    changes(leases, [0, '10.0.0.2', message()], [0, '10.0.0.2', message({ service: CLIENT })])
    for (let at = 20_000; at <= 200_000; at += 20_000) {
      expect(changes(leases, [at, '10.0.0.2', message()])).toEqual([])
      const lapsed = leases.handleTimeout(at).map(({ prefix }) => prefix.toString())
      expect(lapsed).toEqual(at === 60_000 ? [CLIENT] : [])
    }
    expect(leases.nextTimeoutAt).toBe(250_000)
    expect(leases.handleTimeout(249_999)).toEqual([])
    expect(leases.handleTimeout(250_000)).toHaveLength(1)
  })

  it('go with a host to its new address', () => {
    expect(
      changes(
        new DaemonLeases(),
        [0, '10.0.0.2', message()],
        [1, '10.0.0.3', message({ movedFrom: '10.0.0.2' })],
        [2, '10.0.0.3', message({ movedFrom: '10.0.0.3' })],
        [3, '10.0.0.2', message({ type: 1 })],
        [4, '10.0.0.3', message({ type: 1 })],
      ),
    ).toEqual([
      `0 registered 10.0.0.2 ${SERVER}`,
      `1 withdrawn 10.0.0.2 ${SERVER}`,
      `1 registered 10.0.0.3 ${SERVER}`,
      `4 withdrawn 10.0.0.3 ${SERVER}`,
    ])
  })

  it('stay with a host whose address stands in a message that tells of no move', () => {
    const leases = new DaemonLeases()
    const other = message({ movedFrom: '10.0.0.2', flags: 0 })
    expect(changes(leases, [0, '10.0.0.2', message()], [1, '10.0.0.3', other])).toEqual([
      `0 registered 10.0.0.2 ${SERVER}`,
      `1 registered 10.0.0.3 ${SERVER}`,
    ])
  })

  it('lapse in the order in which they were said last', () => {
    const leases = new DaemonLeases()
    changes(
      leases,
      [0, '10.0.0.2', message()],
      [5_000, '10.0.0.3', message()],
      [10_000, '10.0.0.2', message()],
    )
    expect(leases.nextTimeoutAt).toBe(55_000)
    expect(leases.handleTimeout(55_000)).toMatchObject([{ address: '10.0.0.3' }])
    expect(leases.nextTimeoutAt).toBe(60_000)
  })

  it('may be of a prefix, and not of everything', () => {
    const leases = new DaemonLeases()
    expect(changes(leases, [0, '10.0.0.2', message({ bits: 24 })])).toEqual([
      `0 registered 10.0.0.2 ${serviceId(0x0200)}/24`,
    ])
    expect(changes(leases, [0, '10.0.0.2', message({ service: serviceId(0) })])).toEqual([])
    expect(leases.counters.refused).toBe(1)
  })

  it('are limited, and those that are there stay', () => {
    const leases = new DaemonLeases()
    for (let i = 0; i < DAEMON_LEASE_LIMIT; i++)
      changes(leases, [0, '10.0.0.2', message({ service: serviceId(i + 1) })])
    expect(changes(leases, [1, '10.0.0.2', message({ service: serviceId(0x10000) })])).toEqual([])
    expect(leases.counters.tooMany).toBe(1)
    expect(changes(leases, [1, '10.0.0.2', message({ type: 1, service: serviceId(1) })])).toHaveLength(1)
  })

  it('are nothing that garbage could be taken for', () => {
    const leases = new DaemonLeases()
    expect(changes(leases, [0, '10.0.0.2', message({ type: 2 })])).toEqual([])
    expect(changes(leases, [0, '10.0.0.2', message().subarray(0, 47)])).toEqual([])
    const random = new Random(testSeed)
    const messages = Array.from({ length: 2000 }, () => {
      const payload = random.bytes(random.below(100))
      // So long is no message, whatever else is in it.
      payload[3] = 49 + random.below(200)
      return payload
    })
    const heard = messages.map(payload => changes(leases, [0, '10.0.0.2', payload]))
    expect(heard.flat(), replay('test/unit/control/daemon-leases.test.ts')).toEqual([])
    expect(leases.counters.malformed).toBe(2002)
  })
})
