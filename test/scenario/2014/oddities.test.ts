/**
 * What an end has to put up with of an original, and what it need not believe of others (src/wire/README.md, A7, A8, A12;
 * test/vectors/annotated.md): captured packets, as they are or changed.
 */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Local } from '../../../src/flow/path.ts'
import { dialect2014 } from '../../../src/sal/dialect-2014.ts'
import { Sal } from '../../../src/sal/sal.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { IPV4_HEADER_BYTES } from '../../../src/wire/ipv4.ts'
import { emitPacket, packetLength, SalPacket } from '../../../src/wire/packet.ts'
import { profile2014 } from '../../../src/wire/profile-2014.ts'
import { emitIpv4Envelope } from '../../../src/wire/raw-ip.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { readCapture, VECTORS } from '../../support/pcap.ts'
import { Random } from '../../support/random.ts'
import {
  controlLine,
  type Replay,
  type ReplayOptions,
  replay,
  seal,
  seen,
} from '../../support/replay-2014.ts'

const { SYN, ACK, RST, FIN } = controlFlags
/** Offsets in a packet whose first extension is control. */
const TTL = 8
const SOURCE_END = 15
const EXTENSION = 32
const FLAGS = 34
const RESERVED = 35
const NONCE = 44

describe('an exchange goes on where the original', () => {
  const holds = (name: string, options: ReplayOptions) =>
    it(name, () => {
      const { expected, played, read, peerStream } = replay(options)
      expect(played).toEqual(expected)
      expect(Buffer.from(read).equals(peerStream)).toBe(true)
    })

  holds('leaves something in what is reserved', {
    file: 'a_tcp',
    own: ['10.77.1.1'],
    alter: bytes => {
      if (bytes[EXTENSION - 4] === 3) return
      bytes[EXTENSION] = bytes[EXTENSION]! | 0x0f
      bytes[FLAGS] = bytes[FLAGS]! | 0x03
      bytes[RESERVED] = 0xff
    },
  })
  holds('sends its FIN with ACK', {
    file: 'a_tcp',
    own: ['10.77.1.1'],
    alter: bytes => {
      if (bytes[EXTENSION - 4]! > 3 && bytes[FLAGS] === FIN) bytes[FLAGS] = FIN | ACK
    },
  })
  holds('has no checksum in its datagrams, and is hops away', {
    file: 'c_udp_connected',
    own: ['10.77.1.2'],
    alter: bytes => {
      const transport = IPV4_HEADER_BYTES + 4 * bytes[EXTENSION - 4]!
      if (transport < bytes.length) bytes.fill(0, transport + 6, transport + 8)
      bytes[TTL] = 3
    },
  })
})

describe('a reset', () => {
  const OWN = ['10.77.1.1']
  /** Behind the third ACK, as the client. */
  const connected = () => replay({ file: 'a_tcp', own: OWN, to: 5 })
  const numbers = captureNumbers('a_tcp')

  it.each([
    ['of its own, with its nonce and the number that is next', RST | ACK, numbers.server.verno + 1, 'server'],
    ['that answers our control packet, and so has our nonce', RST, numbers.server.verno + 1, 'client'],
    ['that answers our FIN, and is 32 off', RST | ACK, 0, 'client'],
  ] as const)('ends the flow: one %s', (_name, flags, verno, whose) => {
    const played = connected()
    reset(played, flags, verno, numbers[whose].nonce)
    expect(played.flow?.error?.code).toBe('ECONNRESET')
  })

  it.each([
    [
      'without a nonce, as for a packet that had none',
      RST | ACK,
      numbers.server.verno + 1,
      new Uint8Array(8),
    ],
    ['with a number that was passed', RST | ACK, numbers.server.verno, numbers.server.nonce],
    ['of anybody else', RST | ACK, numbers.server.verno + 1, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
  ] as const)('is not believed: one %s', (_name, flags, verno, nonce) => {
    const played = connected()
    reset(played, flags, verno, nonce)
    expect(played.flow?.state).toBe('CONNECTED')
  })

  it('that answers the SYN is a refusal', () => {
    const played = replay({ file: 'a_tcp', own: OWN, to: 1 })
    reset(played, RST | ACK, 0, numbers.client.nonce)
    expect(played.flow?.error?.code).toBe('ECONNREFUSED')
  })

  it('answers a datagram for a service that nobody has, byte for byte as the original', () => {
    const [question, answer] = readCapture(join(VECTORS, 'g_rst.pcap'))
    const sent = answers('10.77.1.2', [question!.bytes])
    const sal = (bytes: Uint8Array) => Buffer.from(bytes.subarray(IPV4_HEADER_BYTES)).toString('hex')
    expect(sent.map(sal)).toEqual([sal(answer!.bytes)])
  })

  it('answers nothing that went to all hosts, unlike the original', () => {
    const [question] = readCapture(join(VECTORS, 'f_servd.pcap'))
    expect(answers('10.77.4.2', [question!.bytes])).toEqual([])
  })

  it('answers no SYN, no reset, and nothing for a flow that is not there', () => {
    const capture = readCapture(join(VECTORS, 'a_tcp.pcap'))
    const [syn, , , data] = capture
    const [, rst] = readCapture(join(VECTORS, 'g_rst.pcap'))
    expect(answers('10.77.1.2', [syn!.bytes])).toEqual([])
    expect(answers('10.77.1.1', [data!.bytes, rst!.bytes])).toEqual([])
  })
})

it('clients with the same flowID on two hosts, as originals have, are two', () => {
  const first = readCapture(join(VECTORS, 'a_tcp.pcap'))[0]!.bytes
  const second = first.slice()
  second[SOURCE_END] = 3
  second[NONCE] = second[NONCE]! ^ 1
  seal(second)
  const copied = first.slice()
  copied[SOURCE_END] = 4
  seal(copied)
  const sent = answers('10.77.1.2', [first, second, copied, first], seen(0, first)!.packet.service)
  const synAcks = sent.map(bytes => seen(0, bytes)!)
  expect(synAcks.map(({ packet }) => packet.control?.flags)).toEqual(Array(4).fill(SYN | ACK))
  expect(synAcks.map(({ destination }) => destination)).toEqual([
    '10.77.1.1',
    '10.77.1.3',
    '10.77.1.4',
    '10.77.1.1',
  ])
  const flowIds = synAcks.map(({ packet }) => packet.srcFlowId)
  expect(new Set(flowIds).size).toBe(3)
  expect(controlLine(synAcks[3]!)).toBe(controlLine(synAcks[0]!))
})

/** What the two ends of a capture's first exchange drew. */
function captureNumbers(file: string) {
  const [syn, synAck] = readCapture(join(VECTORS, `${file}.pcap`)).map(({ bytes }) => seen(0, bytes))
  return { client: syn!.packet.control!, server: synAck!.packet.control! }
}

/** The peer sends RST into what was played. */
function reset({ flow, sal }: Replay, flags: number, verno: number, nonce: Uint8Array): void {
  const packet = new SalPacket({
    srcFlowId: flow?.peerFlowId ?? 0,
    dstFlowId: flow?.flowId ?? 0,
    protocol: protocols.STREAM,
    extensions: [control(flags, verno, 0, nonce)],
  })
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + packetLength(packet, profile2014))
  emitPacket(packet, bytes, IPV4_HEADER_BYTES, profile2014)
  emitIpv4Envelope(bytes, 0, bytes.length, '10.77.1.2', '10.77.1.1')
  sal.handleDatagram(bytes, bytes.length, 1, { address: '10.77.1.2', port: 0 }, 1_000)
}

/** What a host at `address` sends upon `packets`, where it listens for a stream of `service`, if any. */
function answers(
  address: string,
  packets: readonly Uint8Array[],
  service?: SalPacket['service'],
): Uint8Array[] {
  const sal = new Sal({ dialect: dialect2014, randomBytes: new Random(1).bytes })
  const local: Local = { id: 1, endpoint: { address, port: 0 }, prefixBits: 24, mtu: 1500 }
  sal.addLocal(local, 0)
  if (service) sal.listen({ serviceId: service, protocol: protocols.STREAM })
  const batch = new TransmitBatch()
  const sent: Uint8Array[] = []
  for (const bytes of packets) {
    sal.handleDatagram(bytes.slice(), bytes.length, 1, { address: '0.0.0.0', port: 0 }, 0)
    while (sal.pollTransmit(batch, 0)) sent.push(batch.buffer.slice(0, batch.length))
  }
  return sent
}
