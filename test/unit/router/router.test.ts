import { describe, expect, it } from 'vitest'
import { parseServicePattern, serviceIdOf } from '../../../src/id/name.ts'
import { ServiceId } from '../../../src/id/service-id.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { OUTPUT_LIMITS } from '../../../src/router/output-queue.ts'
import type { Router } from '../../../src/router/router.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { reason } from '../../../src/wire/extensions/reason.ts'
import { route } from '../../../src/wire/extensions/route.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import type { UnknownExtension } from '../../../src/wire/extensions/unknown.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { fillTransportChecksum, verifyTransportChecksum } from '../../../src/wire/transport-checksum.ts'
import { emitUdpHeader, udpHeader } from '../../../src/wire/udp-header.ts'
import { HINT_VERSION, parseVersionHint } from '../../../src/wire/version-hint.ts'
import {
  addRule,
  arrive,
  NONCE,
  packetBytes,
  parse,
  routeOf,
  routerWith,
  sentBy,
  syn,
  traceOf,
  VERNO,
} from '../../support/router-trace.ts'

const TO_SERVER = 'web.example FORWARD 10.0.0.9:7'
const { SYN, ACK, NACK, RSYN, RST } = controlFlags
const lone = {
  srcFlowId: 0x0a,
  dstFlowId: 0,
  protocol: protocols.STREAM,
  extensions: [control(SYN, VERNO, 0, NONCE)],
}

/** An unconnected datagram from client.example. */
function datagram(text: string, to = 'web.example', hops?: number): Uint8Array {
  const payload = new TextEncoder().encode(text)
  const transport = new Uint8Array(8 + payload.length)
  emitUdpHeader(udpHeader(payload.length), transport, 0)
  transport.set(payload, 8)
  fillTransportChecksum(transport, 0, transport.length, protocols.DATAGRAM)
  const extensions = [service(serviceIdOf(to)), service(serviceIdOf('client.example'))]
  return packetBytes(
    { srcFlowId: 0x0b, dstFlowId: 0, protocol: protocols.DATAGRAM, extensions, transport },
    hops,
  )
}

function counted(router: Router): Record<string, number> {
  return Object.fromEntries(Object.entries(router.counters).filter(([, count]) => count !== 0))
}

describe('a service router forwards', () => {
  it('a datagram to all targets of a to=all rule, and a SYN to one of them', () => {
    const router = routerWith(['web.example FORWARD to=all 10.0.0.8:7, 10.0.0.9:7'])
    arrive(router, datagram('hello'), '10.0.0.1:40')
    const sent = traceOf(router)
    expect(sent).toHaveLength(2)
    expect(sent.map(line => line.split(' ')[0]).sort()).toEqual(['10.0.0.8:7', '10.0.0.9:7'])
    arrive(router, syn(), '10.0.0.1:40')
    expect(traceOf(router)).toHaveLength(1)
    expect(counted(router)).toMatchObject({ packets: 2, forwarded: 3 })
  })

  it('a SYN to the target of its rule, and notes where it came from', () => {
    const router = routerWith([TO_SERVER])
    arrive(router, syn(), '10.0.0.1:40')
    expect(traceOf(router)).toEqual(['10.0.0.9:7 < SYN a>0 hops 31 web.example via 10.0.0.1:40'])
    expect(traceOf(router)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, bytes: 92, forwarded: 1, forwardedBytes: 112 })
  })

  it('all that it does not know of a SYN as it came, ROUTE behind it', () => {
    const router = routerWith([TO_SERVER])
    const strange: UnknownExtension = { kind: 'unknown', bits: 0x08, type: 14, body: Uint8Array.of(9, 9) }
    const came = syn({ more: [strange] })
    arrive(router, came, '10.0.0.1:40')
    const [sent] = sentBy(router)
    const [before, after] = [parse(came), parse(sent!.bytes)]
    expect(after.extensions.slice(0, -1)).toEqual(before.extensions)
    expect(after.extensions.at(-1)?.kind).toBe('route')
    expect(after.control).toEqual(control(SYN, VERNO, 0, NONCE))
  })

  it('a datagram, payload and checksum untouched', () => {
    const router = routerWith([TO_SERVER])
    const came = datagram('hello')
    arrive(router, came, '10.0.0.1:40')
    const [sent] = sentBy(router)
    const { transport, services } = parse(sent!.bytes)
    expect(transport).toEqual(parse(came).transport)
    expect(verifyTransportChecksum(transport, 0, transport.length, protocols.DATAGRAM)).toBe(true)
    expect(services.map(String)).toEqual(
      [serviceIdOf('web.example'), serviceIdOf('client.example')].map(String),
    )
    expect(routeOf(sent!.bytes)).toMatchObject([{ address: '10.0.0.1', port: 40 }])
  })

  it('through a chain, an entry each', () => {
    const first = routerWith(['default FORWARD 10.0.1.2:54325'])
    const second = routerWith(['default FORWARD [fd00::3]:54325'])
    const third = routerWith([TO_SERVER])
    arrive(first, syn(), '10.0.0.1:40')
    const [toSecond] = sentBy(first)
    arrive(second, toSecond!.bytes, '10.0.1.1:54325')
    const [toThird] = sentBy(second)
    arrive(third, toThird!.bytes, '[fd00::2]:54325')
    expect(traceOf(third)).toEqual([
      '10.0.0.9:7 < SYN a>0 hops 29 web.example via 10.0.0.1:40 10.0.1.1:54325 [fd00::2]:54325',
    ])
  })

  it('by the longest prefix, the highest priority and the weights', () => {
    const router = routerWith([
      'default FORWARD 10.0.0.1:1',
      '*.example FORWARD 10.0.0.2:1',
      'web.example FORWARD 10.0.0.3:1 priority 2, 10.0.0.4:1 weight 0 priority 2, 10.0.0.5:1',
    ])
    for (const to of ['web.example', 'api.example', 'other.test']) arrive(router, syn({ to }), '10.0.0.7:40')
    expect(sentBy(router).map(({ to }) => to)).toEqual(['10.0.0.3:1', '10.0.0.2:1', '10.0.0.1:1'])
    router.table.setAlive(parseServicePattern('web.example'), { address: '10.0.0.3', port: 1 }, false)
    arrive(router, syn(), '10.0.0.7:40')
    expect(sentBy(router).map(({ to }) => to)).toEqual(['10.0.0.5:1'])
  })

  it('each packet of a buffer that the kernel merged', () => {
    const router = routerWith([TO_SERVER])
    const [one, two] = [syn({ flowId: 1 }), syn({ flowId: 2 })]
    const merged = new Uint8Array([...one, ...two, ...one.subarray(0, 20)])
    arrive(router, merged, '10.0.0.1:40')
    expect(traceOf(router)).toEqual([
      '10.0.0.9:7 < SYN 1>0 hops 31 web.example via 10.0.0.1:40',
      '10.0.0.9:7 < SYN 2>0 hops 31 web.example via 10.0.0.1:40',
    ])
    expect(counted(router)).toMatchObject({ packets: 2, forwarded: 2, malformed: 1 })
  })

  it('from a socket of the family of the target', () => {
    const router = routerWith(['web.example FORWARD [fd00::9]:7', 'api.example FORWARD 10.0.0.9:7'])
    router.addLocal({ id: 1, endpoint: { address: '10.0.0.254', port: 54325 } })
    router.addLocal({ id: 2, endpoint: { address: 'fd00::fe', port: 54325 } })
    arrive(router, syn(), '10.0.0.1:40', 0, 1)
    arrive(router, syn({ to: 'api.example' }), '10.0.0.1:40', 0, 1)
    expect(sentBy(router).map(({ to, localId }) => [to, localId])).toEqual([
      ['[fd00::9]:7', 2],
      ['10.0.0.9:7', 1],
    ])

    router.removeLocal(2)
    arrive(router, syn(), '10.0.0.1:40', 0, 1)
    expect(sentBy(router)).toEqual([])
    expect(router.counters.noLocal).toBe(1)
    const [target] = router.table.lookup(serviceIdOf('web.example'))!.targets
    expect(target?.counters).toEqual({ packets: 2, bytes: 184, drops: 1 })
  })
})

describe('a service router answers', () => {
  it('a SYN for which there is no rule, at once, to its sender: no-service', () => {
    const router = routerWith([])
    const came = syn()
    arrive(router, came, '10.0.0.1:40', 0, 5)
    const [sent] = sentBy(router)
    expect(sent).toMatchObject({ to: '10.0.0.1:40', localId: 5 })
    const nack = parse(sent!.bytes)
    expect(nack).toMatchObject({ srcFlowId: 0, dstFlowId: 0x0a, protocol: protocols.STREAM })
    // ackno is the SYN's verno + 1, which wraps here.
    expect(nack.extensions).toEqual([control(NACK, 0, 0, NONCE), reason(1)])
    expect(sent!.bytes.length).toBeLessThanOrEqual(came.length)
    expect(counted(router)).toMatchObject({ noService: 1, nacks: 1 })
  })

  it('a SYN that a rule drops, with the reason that the rule gives', () => {
    const router = routerWith(['web.example DROP moved away'])
    arrive(router, syn(), '10.0.0.1:40')
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>a hops 32 DROPPED moved away'])
    expect(router.counters.droppedByRule).toBe(1)
    const entry = router.table.lookup(serviceIdOf('web.example'))
    expect(entry?.counters).toEqual({ packets: 1, bytes: 92, drops: 1 })
  })

  it('never with more bytes than the SYN had: a long reason stays at home', () => {
    const why = 'x'.repeat(52)
    const router = routerWith([`web.example DROP ${why}`, `api.example DROP ${why}x`])
    arrive(router, syn(), '10.0.0.1:40')
    arrive(router, syn({ to: 'api.example' }), '10.0.0.1:40')
    expect(sentBy(router).map(({ bytes }) => bytes.length)).toEqual([92, 40])
  })

  it('no datagram', () => {
    const router = routerWith(['api.example DROP'])
    arrive(router, datagram('to nobody'), '10.0.0.1:40')
    arrive(router, datagram('to a wall', 'api.example'), '10.0.0.1:40')
    expect(sentBy(router)).toEqual([])
    expect(counted(router)).toMatchObject({ noService: 1, droppedByRule: 1 })
  })

  it('an address only so often, others all the same', () => {
    const router = routerWith([], { answers: { perSecond: 10, burst: 3 } })
    for (let i = 0; i < 10; i++) arrive(router, syn(), '10.0.0.1:40', 1_000)
    expect(sentBy(router)).toHaveLength(3)
    expect(router.counters.answersLimited).toBe(7)
    arrive(router, syn(), '10.0.0.2:40', 1_000)
    arrive(router, syn(), '[fd00::1:2]:40', 1_000)
    expect(sentBy(router)).toHaveLength(2)
    arrive(router, syn(), '10.0.0.1:40', 1_099)
    arrive(router, syn(), '10.0.0.1:40', 1_100)
    expect(sentBy(router)).toHaveLength(1)
  })

  it('an IPv6 /64 as one', () => {
    const router = routerWith([], { answers: { perSecond: 1, burst: 1 } })
    arrive(router, syn(), '[fd00:0:0:1::1]:40')
    arrive(router, syn(), '[fd00:0:0:1:2:3:4:5]:40')
    expect(sentBy(router)).toHaveLength(1)
  })

  it('an unknown version with those that it speaks, as a hint no larger than what asked', () => {
    const router = routerWith([TO_SERVER])
    const strange = syn()
    strange[0] = 77
    arrive(router, strange, '10.0.0.1:40', 0, 5)
    const [sent] = sentBy(router)
    expect(sent).toMatchObject({ to: '10.0.0.1:40', localId: 5 })
    expect(sent!.bytes[0]).toBe(HINT_VERSION)
    expect(parseVersionHint(sent!.bytes, 4, sent!.bytes.length)).toEqual({ dstFlowId: 0x0a, versions: [1] })
    expect(counted(router)).toMatchObject({ unknownVersion: 1, versionHints: 1 })

    const short = strange.slice(0, 16)
    short[3] = 16
    arrive(router, short, '10.0.0.1:40')
    const ofAFlow = strange.slice()
    ofAFlow[11] = 1
    arrive(router, ofAFlow, '10.0.0.1:40')
    const hint = strange.slice()
    hint[0] = HINT_VERSION
    arrive(router, hint, '10.0.0.1:40')
    expect(sentBy(router)).toEqual([])
    expect(router.counters.unknownVersion).toBe(4)
  })

  it('unknown versions only so often', () => {
    const router = routerWith([], { answers: { perSecond: 1, burst: 2 } })
    const strange = syn()
    strange[0] = 2
    for (let i = 0; i < 5; i++) arrive(router, strange, '10.0.0.1:40')
    expect(sentBy(router)).toHaveLength(2)
  })
})

describe('a service router drops and counts', () => {
  const unbound = { srcFlowId: 0x0a, dstFlowId: 0, protocol: protocols.STREAM }
  const bound = { ...unbound, dstFlowId: 0x0c }
  const web = service(serviceIdOf('web.example'))

  it.each([
    ['data of a flow', { ...bound, extensions: [], transport: new Uint8Array(50) }],
    ['a third ACK', { ...bound, extensions: [control(ACK, 1, 1, NONCE), web] }],
    ['a SYN-ACK', { ...bound, extensions: [control(SYN | ACK, 1, 1, NONCE), web] }],
    ['a NACK', { ...bound, extensions: [control(NACK, 1, 1, NONCE), reason(1)] }],
    ['a NACK with a service', { ...unbound, extensions: [control(NACK, 1, 1, NONCE), web, reason(1)] }],
    ['an RST', { ...unbound, extensions: [control(RST, 1, 1, NONCE), web] }],
    ['an RSYN with a service', { ...bound, extensions: [control(RSYN, 1, 1), web, tag(0)] }],
    ['a SYN without a service', { ...unbound, extensions: [control(SYN, 1, 1, NONCE)] }],
    ['a SYN to a flow', { ...bound, extensions: [control(SYN, 1, 1, NONCE), web] }],
    ['a SYN with TAG', { ...unbound, extensions: [control(SYN, 1, 1, NONCE), web, tag(0)] }],
  ])('%s: not for a router', (_, fields) => {
    const router = routerWith([TO_SERVER])
    arrive(router, packetBytes(fields), '10.0.0.1:40')
    expect(sentBy(router)).toEqual([])
    expect(counted(router)).toMatchObject({ packets: 1, misdirected: 1 })
  })

  it('what is no packet', () => {
    const router = routerWith([TO_SERVER])
    const flipped = syn()
    flipped[30]! ^= 1
    arrive(router, flipped, '10.0.0.1:40')
    arrive(router, syn().subarray(0, 60), '10.0.0.1:40')
    arrive(router, Uint8Array.of(1, 2, 3), '10.0.0.1:40')
    arrive(router, new Uint8Array(0), '10.0.0.1:40')
    expect(sentBy(router)).toEqual([])
    expect(counted(router)).toEqual({ packets: 1, bytes: 92, malformed: 3 })
  })

  it('what has no hops left; the last hop may still be the target', () => {
    const router = routerWith([TO_SERVER])
    arrive(router, syn({ hops: 1 }), '10.0.0.1:40')
    expect(traceOf(router)).toEqual(['10.0.0.9:7 < SYN a>0 hops 0 web.example via 10.0.0.1:40'])
    arrive(router, syn({ hops: 0 }), '10.0.0.1:40')
    arrive(router, datagram('late', 'web.example', 0), '10.0.0.1:40')
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>a hops 32 HOP_LIMIT'])
    expect(router.counters.hopLimit).toBe(2)
  })

  it('what has no hops left, and says at which of its addresses', () => {
    const router = routerWith([TO_SERVER])
    router.addLocal({ id: 1, endpoint: { address: '10.0.0.254', port: 54325 } })
    router.addLocal({ id: 2, endpoint: { address: 'fd00::254', port: 54325 } })
    arrive(router, syn({ hops: 0 }), '10.0.0.1:40', 0, 1)
    arrive(router, syn({ hops: 0 }), '[fd00::1]:40', 0, 2)
    expect(traceOf(router)).toEqual([
      '10.0.0.1:40 < NACK 0>a hops 32 HOP_LIMIT 10.0.0.254:54325',
      '[fd00::1]:40 < NACK 0>a hops 32 HOP_LIMIT [fd00::254]:54325',
    ])
  })

  it('a ninth entry of ROUTE', () => {
    const router = routerWith([TO_SERVER])
    const entries = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ address: 'fd00::1', port: i + 1, mac: new Uint8Array(8) }))
    arrive(router, syn({ route: entries(7) }), '10.0.0.1:40')
    expect(routeOf(sentBy(router)[0]!.bytes)).toHaveLength(8)
    arrive(router, syn({ route: entries(8) }), '10.0.0.1:40')
    const way = entries(8).map(({ port }) => `[fd00::1]:${port}`)
    expect(traceOf(router)).toEqual([`10.0.0.1:40 < NACK 0>a hops 32 via ${way.join(' ')} NO_ROUTE`])
    expect(router.counters.routeFull).toBe(1)
  })

  it('what would not fit into a packet any more', () => {
    const router = routerWith([TO_SERVER])
    arrive(router, datagram('x'.repeat(65_535 - 4 - 12 - 72 - 8)), '10.0.0.1:40')
    const padding: UnknownExtension = { kind: 'unknown', bits: 0, type: 14, body: new Uint8Array(250) }
    const more = [padding, padding, padding, { ...padding, body: new Uint8Array(166) }]
    arrive(router, syn({ more }), '10.0.0.1:40')
    expect(sentBy(router)).toEqual([])
    expect(router.counters.tooLong).toBe(2)
  })

  it('what nobody fetches: the output is capped in packets and bytes', () => {
    const router = routerWith([TO_SERVER])
    for (let i = 0; i < OUTPUT_LIMITS.packets + 10; i++) arrive(router, syn(), '10.0.0.1:40')
    expect(router.counters.outputFull).toBe(10)
    expect(sentBy(router)).toHaveLength(OUTPUT_LIMITS.packets)
    for (let i = 0; i < 100; i++) arrive(router, datagram('x'.repeat(60_000)), '10.0.0.1:40')
    const held = sentBy(router).reduce((sum, { bytes }) => sum + bytes.length, 0)
    expect(held).toBeGreaterThan(OUTPUT_LIMITS.bytes - 61_000)
    expect(held).toBeLessThanOrEqual(OUTPUT_LIMITS.bytes)
  })
})

describe('a loop', () => {
  it('ends where it began, and the client hears of it', () => {
    const a = routerWith(['default FORWARD 10.0.1.2:1'])
    const b = routerWith(['default FORWARD 10.0.1.1:1'])
    arrive(a, syn(), '10.0.0.1:40')
    const [toB] = sentBy(a)
    arrive(b, toB!.bytes, '10.0.1.1:1')
    const [backToA] = sentBy(b)
    arrive(a, backToA!.bytes, '10.0.1.2:1')
    expect(traceOf(a)).toEqual(['10.0.0.1:40 < NACK 0>a hops 32 via 10.0.0.1:40 10.0.1.1:1 LOOP'])
    expect(counted(a)).toMatchObject({ forwarded: 1, loop: 1, nacks: 1 })
  })

  it('is seen when the same sender stands in ROUTE already', () => {
    const router = routerWith([TO_SERVER])
    const seen = { address: '10.0.1.2', port: 1, mac: new Uint8Array(8) }
    arrive(router, syn({ route: [seen] }), '10.0.1.2:1')
    expect(router.counters.loop).toBe(1)
  })

  it('is known by MAC in the two minutes in which the entry was made, and the next two', () => {
    const entryAt = (nowMs: number) => {
      const router = routerWith([TO_SERVER])
      arrive(router, syn(), '10.0.0.1:40', nowMs)
      return { router, entries: routeOf(sentBy(router)[0]!.bytes) }
    }
    const again = (madeAt: number, seenAt: number, flowId = 0x0a) => {
      const { router, entries } = entryAt(madeAt)
      arrive(router, syn({ route: entries, flowId }), '10.0.9.9:1', seenAt)
      return router.counters.loop
    }
    expect(again(0, 0)).toBe(1)
    expect(again(0, 119_999)).toBe(1)
    expect(again(0, 239_999)).toBe(1)
    expect(again(0, 240_000)).toBe(0)
    expect(again(119_999, 239_999)).toBe(1)
    expect(again(119_999, 240_000)).toBe(0)
    // The entry vouches for one flow only, and for one address.
    expect(again(0, 0, 0x0b)).toBe(0)
    const { router, entries } = entryAt(1_000)
    for (const change of [{ port: 41 }, { address: '10.0.0.2' }]) {
      arrive(router, syn({ route: [{ ...entries[0]!, ...change }] }), '10.0.9.9:1', 1_000)
    }
    expect(router.counters.loop).toBe(0)
  })

  it('is known by MAC to another worker of the router, which has its secret', () => {
    const routeSecret = new Uint8Array(16).fill(5)
    const [one, other] = [routerWith([TO_SERVER], { routeSecret }), routerWith([TO_SERVER], { routeSecret })]
    arrive(one, syn(), '10.0.0.1:40')
    arrive(other, syn({ route: routeOf(sentBy(one)[0]!.bytes) }), '10.0.9.9:1')
    expect(other.counters.loop).toBe(1)
  })

  it('is known to the router that takes its place, whose clock began later', () => {
    const routeSecret = new Uint8Array(16).fill(5)
    const [old, heir] = [routerWith([TO_SERVER], { routeSecret }), routerWith([TO_SERVER])]
    heir.adoptRouteSecret(routeSecret, 1_000_000)
    arrive(old, syn(), '10.0.0.1:40', 1_119_999)
    const answer = packetBytes({
      srcFlowId: 0x0d,
      dstFlowId: 0x0a,
      protocol: protocols.STREAM,
      extensions: [control(controlFlags.SYN | controlFlags.ACK, 1, 2), route(routeOf(sentBy(old)[0]!.bytes))],
    })
    arrive(heir, answer, '10.0.1.1:1', 120_001)
    expect(heir.counters).toMatchObject({ relayed: 1, misdirected: 0 })
    arrive(heir, syn(), '10.0.0.1:40', 120_001)
    arrive(old, syn({ route: routeOf(sentBy(heir).at(-1)!.bytes) }), '10.0.9.9:1', 1_120_001)
    expect(old.counters.loop).toBe(1)
  })

  it('is not seen in the entries of others', () => {
    const other = routerWith(['default FORWARD 10.0.1.2:1'])
    arrive(other, syn(), '10.0.0.1:40')
    const router = routerWith([TO_SERVER])
    arrive(router, sentBy(other)[0]!.bytes, '10.0.1.1:1')
    expect(counted(router)).toMatchObject({ forwarded: 1 })
  })
})

describe('ROUTE of another router', () => {
  const route = [{ address: '10.0.0.1', port: 40, mac: new Uint8Array(8) }]

  it('is not believed: the answer goes to the sender', () => {
    const router = routerWith([])
    arrive(router, syn({ route }), '10.0.1.1:1')
    expect(traceOf(router)).toEqual(['10.0.1.1:1 < NACK 0>a hops 32 via 10.0.0.1:40 NO_SERVICE'])
  })

  it('is believed from a router that is known: the answer goes straight to the client', () => {
    const router = routerWith([], { isKnownRouter: ({ address }) => address === '10.0.1.1' })
    arrive(router, syn({ route }), '10.0.1.1:1')
    arrive(router, syn({ route }), '10.0.1.2:1')
    expect(traceOf(router)).toEqual([
      '10.0.0.1:40 < NACK 0>a hops 32 via 10.0.0.1:40 NO_SERVICE',
      '10.0.1.2:1 < NACK 0>a hops 32 via 10.0.0.1:40 NO_SERVICE',
    ])
  })
})

describe('who asks whether a router lives', () => {
  it('is answered, and asks for nothing that should be there', () => {
    const router = routerWith([TO_SERVER])
    arrive(
      router,
      packetBytes({ ...lone, extensions: [...lone.extensions, service(ServiceId.zero)] }),
      '10.0.0.1:40',
    )
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>a hops 32 NO_SERVICE'])
    expect(router.counters).toMatchObject({ probed: 1, noService: 0 })
  })
})

describe('a DELAY rule', () => {
  const events = (router: Router) => {
    const seen: string[] = []
    for (let event = router.pollEvent(); event !== undefined; event = router.pollEvent()) {
      seen.push(`${event.type} ${event.serviceId}`)
    }
    return seen
  }
  const web = `resolve ${serviceIdOf('web.example')}`
  const api = `resolve ${serviceIdOf('api.example')}`

  it('holds packets, asks once for each service, and lets them go in order when a rule comes', () => {
    const router = routerWith(['*.example DELAY'])
    arrive(router, syn({ flowId: 1 }), '10.0.0.1:40', 0)
    arrive(router, datagram('patience'), '10.0.0.1:40', 10)
    arrive(router, syn({ flowId: 2, to: 'api.example' }), '10.0.0.1:40', 20)
    expect(events(router)).toEqual([web, api])
    expect(sentBy(router)).toEqual([])
    expect(router.nextTimeoutAt).toBe(5_000)

    arrive(router, syn({ flowId: 3 }), '10.0.0.1:40', 30)
    expect(events(router)).toEqual([])

    addRule(router, TO_SERVER, 300)
    expect(traceOf(router)).toEqual([
      '10.0.0.9:7 < SYN 1>0 hops 31 web.example via 10.0.0.1:40',
      '10.0.0.9:7 < datagram b>0 hops 31 web.example client.example via 10.0.0.1:40',
      '10.0.0.9:7 < SYN 3>0 hops 31 web.example via 10.0.0.1:40',
    ])
    expect(router.nextTimeoutAt).toBe(5_020)
    expect(counted(router)).toMatchObject({ packets: 4, delayed: 4, forwarded: 3 })
  })

  it('holds a copy: the buffer of the datagram is used again', () => {
    const router = routerWith(['web.example DELAY'])
    const came = datagram('patience')
    const { transport } = parse(came.slice())
    arrive(router, came, '10.0.0.1:40')
    came.fill(0xee)
    addRule(router, TO_SERVER, 1)
    expect(parse(sentBy(router)[0]!.bytes).transport).toEqual(transport)
  })

  it('goes on holding what a new rule does not reach, and its time-out runs on', () => {
    const router = routerWith(['web.example DELAY'])
    arrive(router, syn(), '10.0.0.1:40', 0)
    addRule(router, 'web.example FORWARD 10.0.0.9:7 weight 0', 1_000)
    addRule(router, '*.example FORWARD 10.0.0.9:7', 2_000)
    expect(sentBy(router)).toEqual([])
    expect(router.nextTimeoutAt).toBe(5_000)
    router.table.remove(parseServicePattern('web.example'), { type: 'DELAY' })
    router.releaseDelayed(parseServicePattern('web.example'), 3_000)
    expect(sentBy(router).map(({ to }) => to)).toEqual(['10.0.0.9:7'])
  })

  it('answers when the time is up', () => {
    const router = routerWith(['web.example DELAY'], { delay: { timeoutMs: 100 } })
    arrive(router, syn({ flowId: 1 }), '10.0.0.1:40', 0)
    arrive(router, datagram('never mind'), '10.0.0.1:40', 20)
    arrive(router, syn({ flowId: 2 }), '10.0.0.1:40', 50)
    router.handleTimeout(99)
    expect(sentBy(router)).toEqual([])
    router.handleTimeout(router.nextTimeoutAt)
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>1 hops 32 NO_SERVICE'])
    router.handleTimeout(1_000)
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>2 hops 32 NO_SERVICE'])
    expect(router.nextTimeoutAt).toBe(Infinity)
    expect(router.counters.delayTimedOut).toBe(3)
    expect(router.table.find(parseServicePattern('web.example'))?.counters).toMatchObject({
      packets: 3,
      drops: 3,
    })
    // Nobody has fetched the question yet, and it is moot.
    expect(events(router)).toEqual([])

    arrive(router, syn({ flowId: 3 }), '10.0.0.1:40', 2_000)
    expect(events(router)).toEqual([web])
  })

  it('answers when it is known that nobody serves', () => {
    const router = routerWith(['default DELAY'])
    arrive(router, syn({ flowId: 1 }), '10.0.0.1:40')
    arrive(router, syn({ flowId: 2, to: 'api.example' }), '10.0.0.1:40')
    router.refuseDelayed(parseServicePattern('web.example'), 10)
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>1 hops 32 NO_SERVICE'])
    expect(events(router)).toEqual([api])
    expect(router.counters.delayRefused).toBe(1)
  })

  it('drops the oldest when there are too many: overload', () => {
    const router = routerWith(['default DELAY'], { delay: { items: 2 } })
    arrive(router, syn({ flowId: 1 }), '10.0.0.1:40')
    arrive(router, syn({ flowId: 2, to: 'api.example' }), '10.0.0.1:40')
    arrive(router, syn({ flowId: 3, to: 'api.example' }), '10.0.0.1:40')
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>1 hops 32 OVERLOAD'])
    expect(router.counters.delayEvicted).toBe(1)
    expect(router.table.find(ServicePrefix.all)?.counters).toMatchObject({ packets: 3, drops: 1 })
    expect(events(router)).toEqual([api])
  })

  it('keeps its questions within the cap of what waits', () => {
    const router = routerWith(['default DELAY'], { delay: { items: 10 } })
    for (let i = 0; i < 1_000; i++) arrive(router, syn({ to: `s${i}.example` }), '10.0.0.1:40')
    expect(events(router)).toHaveLength(10)
  })
})

describe('a rule with an end', () => {
  it('is gone at its instant', () => {
    const router = routerWith([])
    router.insert(
      parseServicePattern('web.example'),
      { type: 'FORWARD', targets: [{ endpoint: { address: '10.0.0.9', port: 7 } }] },
      { source: 'controller', expiresAt: 500 },
      0,
    )
    expect(router.nextTimeoutAt).toBe(500)
    router.handleTimeout(500)
    arrive(router, syn(), '10.0.0.1:40', 500)
    expect(traceOf(router)).toEqual(['10.0.0.1:40 < NACK 0>a hops 32 NO_SERVICE'])
  })
})

describe('a full link', () => {
  /** A server behind each of two links. */
  const rules = [TO_SERVER, 'api.example FORWARD [fd00::9]:7']

  function routerOfTwoLinks(): Router {
    const router = routerWith(rules)
    router.addLocal({ id: 1, endpoint: { address: '10.0.0.254', port: 1 } })
    router.addLocal({ id: 2, endpoint: { address: 'fd00::254', port: 1 } })
    return router
  }

  it('keeps back what goes by it, and lets it go in order when there is room', () => {
    const router = routerOfTwoLinks()
    router.hold(1, true)
    arrive(router, syn({ flowId: 1 }), '10.0.0.1:40')
    arrive(router, syn({ flowId: 2, to: 'api.example' }), '10.0.0.1:40')
    arrive(router, syn({ flowId: 3 }), '10.0.0.1:40')
    const flowIds = () => sentBy(router).map(({ bytes, localId }) => [parse(bytes).srcFlowId, localId])
    expect(flowIds()).toEqual([[2, 2]])
    router.hold(1, false)
    expect(flowIds()).toEqual([
      [1, 1],
      [3, 1],
    ])
    arrive(router, syn({ flowId: 4 }), '10.0.0.1:40')
    expect(flowIds()).toEqual([[4, 1]])
  })
})
