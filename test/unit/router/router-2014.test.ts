/**
 * A router of the 2014 profile against the captures in which the original's routers stand: what came to one goes in, what
 * it sent must come out, byte for byte.
 */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AllowList } from '../../../src/router/allow-list.ts'
import { Router2014 } from '../../../src/router/router-2014.ts'
import { parseRule } from '../../../src/service/rule-text.ts'
import { readU16, writeU16 } from '../../../src/wire/bytes.ts'
import { checksum } from '../../../src/wire/checksum.ts'
import { parseEndpoint } from '../../../src/wire/endpoint.ts'
import { type AddressExtension, source } from '../../../src/wire/extensions/addresses-2014.ts'
import { ipv4Header } from '../../../src/wire/ipv4.ts'
import { emitPacket, packetLength, parsePacket, SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 as profile } from '../../../src/wire/profile-2014.ts'
import { emitIpv4Envelope, finishRawPacket, parseRawPacket, RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'
import { Random } from '../../support/random.ts'

/** Of the captures: the stream server and the datagram server behind the routers. */
const STREAM = `x-${'000002be'.padEnd(64, '0')}`
const DATAGRAM = `x-${'000002bc'.padEnd(64, '0')}`

interface Options {
  /** The router's addresses, each with the subnet that it is in. */
  readonly own?: readonly string[]
  readonly rules?: readonly string[]
  readonly allowed?: readonly string[]
}

/** The first router of the captures. */
function routerWith({
  own = ['10.77.3.254', '10.77.4.254'],
  rules = [`${STREAM} FORWARD 10.77.4.2`, `${DATAGRAM} FORWARD 10.77.4.2`],
  allowed = [],
}: Options = {}): Router2014 {
  const subnetOf = (address: string) => address.replace(/\d+$/, '')
  const exit = (address: string) => own.findIndex(each => subnetOf(each) === subnetOf(address)) + 1
  const router = new Router2014({
    randomBytes: new Random(1).bytes,
    allowed: AllowList.parse(allowed),
    exitTowards: ({ address }) => exit(address) || undefined,
  })
  for (const [i, address] of own.entries())
    router.addLocal({ id: i + 1, endpoint: { address, port: RAW_PORT } })
  for (const text of rules) {
    const { prefix, rule } = parseRule(text, RAW_PORT)
    router.table.insert(prefix, rule, { source: 'user' })
  }
  return router
}

/** Packet `number` of a capture. */
function captured(file: string, number: number): Uint8Array {
  return readCapture(join(VECTORS, `${file}.pcap`))[number - 1]!.bytes
}

function addressesOf(bytes: Uint8Array): [string, string] {
  const raw = parseRawPacket(bytes, bytes.length)
  if (raw instanceof WireError) throw new Error(raw.message)
  return [raw.source, raw.destination]
}

/** What comes out as a packet goes in, with the address that it leaves from and the one that it goes to. */
function sent(
  router: Router2014,
  bytes: Uint8Array,
  localId = 1,
): { hex: string; from: number; to: string }[] {
  const buffer = bytes.slice()
  const source = [...buffer.subarray(12, 16)].join('.')
  router.handleDatagram(buffer, buffer.length, localId, { address: source, port: RAW_PORT }, 0)
  // The link's buffer is used again.
  buffer.fill(0xee)
  const batch = new TransmitBatch()
  const all = []
  while (router.pollTransmit(batch)) {
    const hex = Buffer.from(batch.buffer.subarray(0, batch.length)).toString('hex')
    all.push({ hex, from: batch.localId, to: batch.remote.address })
  }
  return all
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function counted(router: Router2014): Record<string, number> {
  return Object.fromEntries(Object.entries(router.counters).filter(([, count]) => count !== 0))
}

/** A packet with other extensions, or another transport, and every checksum right. */
function altered(bytes: Uint8Array, change: (packet: SalPacket) => Partial<SalPacket>): Uint8Array {
  const packet = parsePacket(bytes, 20, bytes.length, profile)
  if (packet instanceof WireError) throw new Error(packet.message)
  const { srcFlowId, dstFlowId, protocol, extensions, transport } = packet
  const other = new SalPacket({ srcFlowId, dstFlowId, protocol, extensions, transport, ...change(packet) })
  const result = new Uint8Array(20 + packetLength(other, profile))
  emitPacket(other, result, 20, profile)
  emitIpv4Envelope(result, 0, result.length, ...addressesOf(bytes))
  finishRawPacket(result, 0, result.length)
  return result
}

describe('a router of the 2014 profile sends on, as the original did,', () => {
  it('a SYN to the server, with the client and itself in a source extension', () => {
    const expected = captured('e_service_router', 2)
    expect(sent(routerWith(), captured('e_service_router', 1))).toEqual([
      { hex: hexOf(expected), from: 2, to: '10.77.4.2' },
    ])
  })

  it('an unconnected datagram', () => {
    const router = routerWith()
    for (const [came, went] of [
      [37, 38],
      [40, 41],
    ] as const) {
      const [out] = sent(router, captured('e_service_router', came))
      expect(out?.hex).toBe(hexOf(captured('e_service_router', went)))
    }
    expect(counted(router)).toEqual({ packets: 2, forwarded: 2 })
  })

  it('a SYN through two routers, each of which adds the address that it was reached at', () => {
    const first = routerWith({ own: ['10.77.3.254', '10.77.7.1'], rules: [`${STREAM} FORWARD 10.77.7.2`] })
    const [between] = sent(first, captured('e2_two_routers_at_R', 1))
    expect(between).toMatchObject({ hex: hexOf(captured('e2_two_routers_at_R', 2)), from: 2 })
    const second = routerWith({ own: ['10.77.7.2', '10.77.8.1'], rules: [`${STREAM} FORWARD 10.77.8.2`] })
    const [last] = sent(second, Buffer.from(between!.hex, 'hex'))
    expect(last).toEqual({
      hex: hexOf(captured('e2_two_routers_at_server', 1)),
      from: 2,
      to: '10.77.8.2',
    })
  })

  it('a SYN that goes round, until it comes to an address for the second time', () => {
    const first = routerWith({ own: ['10.77.3.254', '10.77.7.1'], rules: [`${STREAM} FORWARD 10.77.7.2`] })
    const second = routerWith({ own: ['10.77.7.2', '10.77.8.1'], rules: [`${STREAM} FORWARD 10.77.7.1`] })
    const hops = [1, 2, 3, 4].map(number => captured('e3_loop', number))
    expect(sent(first, hops[0]!)[0]?.hex).toBe(hexOf(hops[1]!))
    expect(sent(second, hops[1]!)[0]?.hex).toBe(hexOf(hops[2]!))
    expect(sent(first, hops[2]!, 2)[0]?.hex).toBe(hexOf(hops[3]!))
    expect(sent(second, hops[3]!)).toEqual([])
    expect(counted(second)).toEqual({ packets: 2, forwarded: 1, loop: 1 })
  })

  it('a third ACK that names its service', () => {
    const ack = captured('e_service_router', 5)
    const toRouter = ack.slice()
    toRouter.set([10, 77, 3, 254], 16)
    finishRawPacket(toRouter, 0, toRouter.length)
    expect(sent(routerWith(), toRouter)).toHaveLength(1)
  })

  it('a packet to all targets of a rule that says so', () => {
    const router = routerWith({ rules: [`${DATAGRAM} FORWARD to=all 10.77.4.2, 10.77.4.3`] })
    const to = sent(router, captured('e_service_router', 37)).map(({ to }) => to)
    expect(to.sort()).toEqual(['10.77.4.2', '10.77.4.3'])
  })

  it('what it cannot read of the IPv4 header as it came, but for options', () => {
    const came = captured('e_service_router', 1)
    const marked = Uint8Array.from([...came.subarray(0, 20), 1, 1, 1, 1, ...came.subarray(20)])
    marked[0] = 0x46
    marked[1] = 0xb8
    writeU16(marked, 2, marked.length)
    writeU16(marked, 6, 0x4000)
    const [out] = sent(routerWith(), marked)
    const bytes = Buffer.from(out!.hex, 'hex')
    expect(hexOf(bytes.subarray(20))).toBe(hexOf(captured('e_service_router', 2).subarray(20)))
    expect([bytes[0], bytes[1], bytes[8], readU16(bytes, 6)]).toEqual([0x45, 0xb8, 63, 0x4000])
    expect(checksum(bytes, 0, 20)).toBe(0)
  })

  it('from the address that a packet came to, where no address is in the subnet of the target', () => {
    const router = routerWith({ rules: [`${STREAM} FORWARD 192.0.2.9`] })
    expect(sent(router, captured('e_service_router', 1), 2)).toMatchObject([{ from: 2, to: '192.0.2.9' }])
  })
})

describe('a router of the 2014 profile drops, and counts,', () => {
  const syn = captured('e_service_router', 1)

  it.each([
    ['what nobody serves', { rules: [] }, { noService: 1 }],
    ['what a rule says to drop', { rules: [`${STREAM} DROP closed`] }, { droppedByRule: 1 }],
    ['what it would have to ask for', { rules: [`${STREAM} DELAY`] }, { noService: 1 }],
    ['what goes to a target of IPv6', { rules: [`${STREAM} FORWARD [fd00::1]:7`] }, { noLocal: 1 }],
    ['what this host serves itself', { rules: [`${STREAM} FORWARD 10.77.4.254`] }, { ownHost: 1 }],
    ['what is sent by hosts that may not', { allowed: ['10.77.4.0/24'] }, { notAllowed: 1 }],
    ['what is for another host, or for all', { own: ['10.77.4.254'] }, { broadcast: 1 }],
  ] as const)('%s', (_name, options, expected) => {
    const router = routerWith(options)
    expect(sent(router, syn)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, ...expected })
  })

  it('a packet on its last hop', () => {
    const last = syn.slice()
    last[8] = 1
    const router = routerWith()
    expect(sent(router, last)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, hopLimit: 1 })
  })

  it('a packet that has passed as many routers as there is room for', () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `10.9.0.${i + 1}`)
    const full = altered(syn, ({ extensions }) => ({
      extensions: [...extensions, source(addresses)],
    }))
    const router = routerWith()
    expect(sent(router, full)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, loop: 1 })
  })

  it('data and other packets that name no service', () => {
    const router = routerWith()
    expect(sent(router, captured('e_service_router', 7))).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, misdirected: 1 })
  })

  it('a packet that the source extension makes too long', () => {
    const datagram = captured('e_service_router', 37)
    const lengths = [1500 - 20 - 84, 1500 - 20 - 96].map(bytes =>
      altered(datagram, () => {
        const transport = new Uint8Array(bytes)
        writeU16(transport, 4, bytes)
        return { transport }
      }),
    )
    const router = routerWith()
    expect(lengths.map(bytes => sent(router, bytes).length)).toEqual([0, 1])
    expect(counted(router)).toEqual({ packets: 2, tooLong: 1, forwarded: 1 })
  })

  it('a packet put together from fragments, longer than any that travels whole', () => {
    const datagram = altered(captured('e_service_router', 37), () => ({ transport: new Uint8Array(9000) }))
    const router = routerWith()
    expect(sent(router, datagram)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, tooLong: 1 })
  })

  it('a SAL header that has no room for another extension', () => {
    // Address extensions, which nothing reads, fill it to its 1,020 bytes.
    const fill = (bytes: number): AddressExtension => {
      return { kind: 'address', bits: 0, reserved: 0, verno: 0, ackno: 0, addresses: new Uint8Array(bytes) }
    }
    const full = altered(syn, ({ extensions }) => ({
      extensions: [...extensions, ...[240, 240, 240, 180].map(fill)],
    }))
    expect(full[28]).toBe(254)
    const router = routerWith()
    expect(sent(router, full)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, tooLong: 1 })
  })

  it('what is damaged: SAL header, transport, or where it ends', () => {
    const router = routerWith()
    for (const at of [20, 40, syn.length - 1]) {
      const flipped = syn.slice()
      flipped[at]! ^= 1
      expect(sent(router, flipped)).toEqual([])
    }
    expect(sent(router, syn.subarray(0, 60))).toEqual([])
    expect(counted(router)).toEqual({ packets: 4, malformed: 4 })
  })

  it('the oldest of what it could not send yet', () => {
    const router = routerWith()
    const remote = parseEndpoint('10.77.3.1:1')!
    for (let i = 0; i < 4097; i++) router.handleDatagram(syn.slice(), syn.length, 1, remote, 0)
    expect(counted(router)).toEqual({ packets: 4097, forwarded: 4097, queueFull: 1 })
  })
})

it('a router of the 2014 profile shares SYNs by weight, each anew', () => {
  const router = routerWith({ rules: [`${STREAM} FORWARD 10.77.4.2 weight 3, 10.77.4.3`] })
  const to = Array.from({ length: 400 }, () => sent(router, captured('e_service_router', 1))[0]!.to)
  const share = to.filter(address => address === '10.77.4.2').length / to.length
  expect(share).toBeGreaterThan(0.65)
  expect(share).toBeLessThan(0.85)
})

it('the packets that these tests make have headers as the original writes them', () => {
  const syn = captured('e_service_router', 1)
  const again = altered(syn, () => ({}))
  expect(ipv4Header('10.77.3.1', '10.77.3.254', 0)).toMatchObject({ ttl: 64, protocol: 144, fragment: 0 })
  expect(hexOf(again.subarray(20))).toBe(hexOf(syn.subarray(20)))
  expect(protocols.STREAM).toBe(again[29])
})
