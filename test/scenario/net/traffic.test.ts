/**
 * What a stack puts on the wire for a MiB, a request and a connection, in datagrams and calls: no machine makes more of them by
 * being slow, and a window that stays small, batches that are not filled and acknowledgements for each packet all show. The
 * bounds are some twice what is usual.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FlowSignal } from '../../../src/flow/states.ts'
import type { Network } from '../../../src/net/links/link.ts'
import type { OffloadUse } from '../../../src/net/links/offload.ts'
import { UdpNetwork } from '../../../src/net/links/udp-network.ts'
import type { Stack, StackOptions } from '../../../src/net/stack.ts'
import { counting, oneATurn, type Sent, singly } from '../../support/net/counting-network.ts'
import { accepting, echo, FlowEnd, pour } from '../../support/net/flow-end.ts'
import { Stacks } from '../../support/net/stacks.ts'

const MIB = 1 << 20
const BULK_MIB = 32
const REQUESTS = 300
const CONNECTS = 100
const NAME = 'web.example'

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

interface Pair {
  readonly server: Counted
  readonly client: Counted
}

interface Counted {
  readonly stack: Stack
  readonly sent: Sent
}

interface Fault {
  readonly options?: StackOptions
  readonly network?: (network: Network) => Network
}

function pair(use: OffloadUse, { options = {}, network: spoil = network => network }: Fault = {}): Pair {
  const open = (): Counted => {
    const { network, sent } = counting(new UdpNetwork(use))
    return { stack: stacks.open({ bind: '127.0.0.1', ...options, network: spoil(network) }), sent }
  }
  return { server: open(), client: open() }
}

function per(count: number, { batches, packets }: Sent): Sent {
  return { batches: batches / count, packets: packets / count }
}

async function bulk({ server, client }: Pair) {
  const chunk = new Uint8Array(65_536)
  let bytes = 0
  await accepting(server.stack, NAME, end => {
    end.keeps = false
    end.onChunk = chunk => {
      bytes += chunk.length
    }
    void end.seen(FlowSignal.end).then(() => end.end())
  })
  const end = FlowEnd.connect(client.stack, NAME)
  await pour(end, chunk, BULK_MIB * MIB)
  await end.closed()
  expect(bytes).toBe(BULK_MIB * MIB)
  return { data: per(BULK_MIB, client.sent), acknowledgements: per(BULK_MIB, server.sent) }
}

async function requests({ server, client }: Pair) {
  await accepting(server.stack, NAME, echo)
  const end = FlowEnd.connect(client.stack, NAME)
  const request = new Uint8Array(64)
  for (let i = 1; i <= REQUESTS; i++) {
    end.write(request)
    await end.until(() => end.bytes === i * request.length)
  }
  return { asking: per(REQUESTS, client.sent), answering: per(REQUESTS, server.sent) }
}

async function connects({ server, client }: Pair) {
  await accepting(server.stack, NAME, echo)
  for (let i = 0; i < CONNECTS; i++) {
    const end = FlowEnd.connect(client.stack, NAME)
    end.end('x')
    expect(await end.closed()).toBeUndefined()
    expect(end.text).toBe('x')
  }
  return { asking: per(CONNECTS, client.sent), answering: per(CONNECTS, server.sent) }
}

function expectBulk({ data, acknowledgements }: Awaited<ReturnType<typeof bulk>>): void {
  // Usual are 7, 120 and 20.
  expect(acknowledgements.packets, 'acknowledgements a MiB').toBeLessThan(24)
  expect(data.packets, 'packets a MiB').toBeLessThan(250)
  expect(data.batches, 'batches a MiB').toBeLessThan(35)
}

const uses: readonly OffloadUse[] = [true, false, 'dgram']

describe.each(uses)('over UDP, offload %j', use => {
  it('a MiB takes few packets, fewer calls, and few acknowledgements', async () => {
    expectBulk(await bulk(pair(use)))
  })

  it('a request takes one packet, and so does its answer', async () => {
    const { asking, answering } = await requests(pair(use))
    expect(asking.packets).toBeLessThan(1.5)
    expect(answering.packets).toBeLessThan(1.5)
  })

  it('a connection with an echo takes four packets or five each way', async () => {
    const { asking, answering } = await connects(pair(use))
    expect(asking.packets).toBeLessThan(7)
    expect(answering.packets).toBeLessThan(7)
  })
})

describe('the bounds (self-test)', () => {
  it.each<[string, RegExp, Fault]>([
    [
      'a window that stays small',
      /acknowledgements a MiB/,
      { options: { limits: { receiveBufferBytes: 32_768 } } },
    ],
    ['a call for each packet', /batches a MiB/, { network: singly }],
    ['each packet in a turn of its own', /acknowledgements a MiB/, { network: oneATurn }],
  ])('show %s', async (_fault, message, fault) => {
    const counts = await bulk(pair('dgram', fault))
    expect(() => expectBulk(counts)).toThrow(message)
  })
})
