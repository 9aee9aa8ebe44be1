/**
 * Plays one end of a captured exchange of the original against our end, on virtual time. Our end draws the numbers that
 * the original end drew, so the other end's packets are delivered as they were captured, byte for byte; what the program
 * did is read off the captured packets of our end. Data may leave in other segments; control packets are compared.
 */
import { join } from 'node:path'
import type { AnyFlow } from '../../src/flow/any-flow.ts'
import type { Local } from '../../src/flow/path.ts'
import { ServiceId } from '../../src/id/service-id.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { dialect2014 } from '../../src/sal/dialect-2014.ts'
import { Sal } from '../../src/sal/sal.ts'
import { readU16 } from '../../src/wire/bytes.ts'
import { controlFlags, formatControlFlags, KNOWN_CONTROL_FLAGS } from '../../src/wire/extensions/control.ts'
import { IPV4_HEADER_BYTES, parseIpv4Header } from '../../src/wire/ipv4.ts'
import { parsePacket, type SalPacket } from '../../src/wire/packet.ts'
import { profile2014 } from '../../src/wire/profile-2014.ts'
import { finishRawPacket } from '../../src/wire/raw-ip.ts'
import { fillSalChecksum, peekHeaderBytes, peekProtocol, protocols } from '../../src/wire/sal-header.ts'
import { parseTcpHeader, type TcpHeader, tcpFlags, tcpHeaderLength } from '../../src/wire/tcp-header.ts'
import { TransmitBatch } from '../../src/wire/transmit-batch.ts'
import { UDP_HEADER_BYTES } from '../../src/wire/udp-header.ts'
import { WireError } from '../../src/wire/wire-error.ts'
import { readCapture, VECTORS } from './pcap.ts'
import { Random } from './random.ts'

const { SYN, RSYN, ACK, RST, FIN } = controlFlags
const profile = profile2014

/** A packet with all that is known of it. */
export interface Seen {
  readonly number: number
  readonly atMs: number
  readonly bytes: Uint8Array
  readonly source: string
  readonly destination: string
  readonly packet: SalPacket
  readonly tcp: TcpHeader | undefined
  readonly payload: Uint8Array
}

export interface ReplayOptions {
  readonly file: string
  /** The addresses of our end, the first one in use at first. */
  readonly own: readonly string[]
  /** Of the exchange's packets; default: all. */
  readonly from?: number
  readonly to?: number
  /** Left out: packets of the other end that were lost behind the capture, and those that only the original sends. */
  readonly without?: readonly number[]
  /** Packets of the other end that ours had not got yet when it sent its next one, as the numbers in that show. */
  readonly crossed?: readonly number[]
  /** It was made at a router, which passed each packet on: each is there twice. */
  readonly isPassing?: boolean
  /** Changes the other end's packets, all but their checksums, which are made good. */
  readonly alter?: (bytes: Uint8Array) => void
}

export interface Replay {
  /** Control packets of our end as lines, captured and played. */
  readonly expected: readonly string[]
  readonly played: readonly string[]
  /** Bytes that the program read. */
  readonly read: Uint8Array
  /** The peer's stream, as captured. */
  readonly peerStream: Uint8Array
  readonly flow: AnyFlow | undefined
  readonly sal: Sal
}

export function seen(atMs: number, bytes: Uint8Array, number = 0): Seen | undefined {
  const header = parseIpv4Header(bytes, 0, bytes.length)
  if (header instanceof WireError || header.protocol !== 144) return undefined
  const packet = parsePacket(bytes, 20, header.totalBytes, profile)
  if (packet instanceof WireError) return undefined
  const { transport, protocol } = packet
  const parsed =
    protocol === protocols.STREAM && transport.length > 0
      ? parseTcpHeader(transport, 0, transport.length)
      : undefined
  const tcp = parsed instanceof WireError ? undefined : parsed
  const start = tcp ? tcpHeaderLength(tcp) : UDP_HEADER_BYTES
  return {
    number,
    atMs,
    bytes,
    source: header.source,
    destination: header.destination,
    packet,
    tcp,
    payload: transport.subarray(Math.min(start, transport.length)),
  }
}

/** A control packet as one line: every number of it but windows. */
export function controlLine({ source, destination, packet, tcp }: Seen): string | undefined {
  const { control, srcFlowId, dstFlowId, protocol } = packet
  if (control === undefined) return undefined
  const words = [
    `${source} > ${destination} ${srcFlowId}>${dstFlowId} p${protocol}`,
    formatControlFlags(control.flags & KNOWN_CONTROL_FLAGS),
    `verno ${control.verno} ackno ${control.ackno} nonce ${Buffer.from(control.nonce).toString('hex')}`,
  ]
  for (const service of packet.services) words.push(`service ${service.toString()}`)
  const route = packet.extension('source')
  if (route) words.push(`source ${route.addresses.join(',')}`)
  if (tcp) words.push(`tcp ${tcp.seq} ${tcp.ack} ${tcp.flags.toString(16)} ${JSON.stringify(tcp.options)}`)
  return words.join(' ')
}

export function replay(options: ReplayOptions): Replay {
  const { file, own, from = 1, to = Number.POSITIVE_INFINITY, without = [], crossed = [] } = options
  const captured = readCapture(join(VECTORS, `${file}.pcap`)).filter(
    ({ number }) => number >= from && number <= to,
  )
  const all = captured
    .map(({ atMs, bytes, number }) => seen(atMs, bytes, number))
    .filter(packet => packet !== undefined)
  const packets = (options.isPassing ? beforeRouter(all, own) : all).filter(
    ({ number }) => !without.includes(number),
  )
  for (const number of crossed) {
    const at = packets.findIndex(packet => packet.number === number)
    const ours = packets.findIndex(({ source }, i) => i > at && own.includes(source))
    packets.splice(ours, 0, ...packets.splice(at, 1))
  }
  return new Player(packets, new Set(own), options.alter).play()
}

/** Each packet as it is on the side of `own`, once. */
function beforeRouter(packets: readonly Seen[], own: readonly string[]): Seen[] {
  const isRouters = ({ source, packet }: Seen) =>
    own.includes(source) && packet.extension('source') !== undefined && !((packet.control?.flags ?? 0) & ACK)
  const sal = ({ bytes }: Seen) => Buffer.from(bytes.subarray(IPV4_HEADER_BYTES)).toString('hex')
  const kept: Seen[] = []
  for (const packet of packets) {
    const last = kept.filter(({ source }) => source === packet.source).at(-1)
    if (!isRouters(packet) && (last === undefined || sal(last) !== sal(packet))) kept.push(packet)
  }
  return kept
}

/** Without what says the same as the line before: how often something is repeated is each end's own affair. */
export function withoutRepeats(lines: readonly string[]): string[] {
  return lines.filter((line, i) => line !== lines[i - 1])
}

class Player {
  readonly #packets: readonly Seen[]
  readonly #own: ReadonlySet<string>
  readonly #alter: ReplayOptions['alter']
  readonly #sal: Sal
  readonly #batch = new TransmitBatch()
  readonly #draws: Uint8Array[] = []
  /** What the original end did not draw, or what cannot be seen of it. */
  readonly #random = new Random(1)
  readonly #played: string[] = []
  readonly #read: Uint8Array[] = []
  #flow: AnyFlow | undefined
  /** Bytes of our stream that the program has written, and the number of its first. */
  #written = 0
  #isn = 0
  #hasEnded = false

  constructor(packets: readonly Seen[], own: ReadonlySet<string>, alter: ReplayOptions['alter']) {
    this.#alter = alter
    this.#packets = packets
    this.#own = own
    this.#sal = new Sal({ dialect: dialect2014, randomBytes: n => this.#draw(n) })
    for (const [i, address] of [...own].entries()) {
      const local: Local = { id: i + 1, endpoint: { address, port: 0 }, prefixBits: 24, mtu: 1500 }
      this.#sal.addLocal(local, 0)
    }
  }

  play(): Replay {
    const first = this.#packets.find(
      ({ packet }) => ((packet.control?.flags ?? 0) & KNOWN_CONTROL_FLAGS) === SYN,
    )
    if (first === undefined) throw new Error('no SYN was captured')
    const isClient = this.#own.has(first.source)
    if (!isClient) this.#listen(first)
    this.#prepareDraws(isClient)
    for (const packet of this.#packets) {
      this.#advance(packet.atMs)
      if (this.#own.has(packet.source)) this.#act(packet)
      else if (this.#own.has(packet.destination) || packet.destination.endsWith('.255')) this.#deliver(packet)
    }
    return {
      expected: this.#packets
        .filter(({ source }) => this.#own.has(source))
        .map(controlLine)
        .filter(line => line !== undefined),
      played: this.#played,
      read: Uint8Array.from(this.#read.flatMap(chunk => [...chunk])),
      peerStream: peerStream(this.#packets.filter(({ source }) => !this.#own.has(source))),
      flow: this.#flow,
      sal: this.#sal,
    }
  }

  /** The numbers of each flow of our end in the order in which it draws them: flowID, nonce, verno, isn. */
  #prepareDraws(isClient: boolean): void {
    const drawn = new Set<number>()
    for (const { source, packet, tcp } of this.#packets) {
      const { control, srcFlowId } = packet
      if (!this.#own.has(source) || !control || !(control.flags & SYN) || drawn.has(srcFlowId)) continue
      drawn.add(srcFlowId)
      this.#draws.push(u32(srcFlowId), control.nonce, u32(control.verno), u32(tcp?.seq ?? 0))
      if (tcp) this.#isn = tcp.seq
      if (isClient) return
    }
  }

  #draw(n: number): Uint8Array {
    return this.#draws[0]?.length === n ? this.#draws.shift()! : this.#random.bytes(n)
  }

  #listen({ packet }: Seen): void {
    const protocol = packet.protocol === protocols.DATAGRAM ? protocols.DATAGRAM : protocols.STREAM
    this.#sal.listen({ serviceId: packet.service ?? ServiceId.zero, protocol })
  }

  #advance(toMs: number): void {
    for (let left = MOST_TIMERS; this.#sal.nextTimeoutAt <= toMs; left--) {
      if (left === 0) throw new Error(`waits without end for ${this.#sal.nextTimeoutAt}`)
      const nowMs = this.#sal.nextTimeoutAt
      this.#sal.handleTimeout(nowMs)
      this.#drain(nowMs)
    }
  }

  #deliver({ atMs, bytes }: Seen): void {
    const copy = bytes.slice()
    if (this.#alter) {
      this.#alter(copy)
      seal(copy)
    }
    this.#sal.handleDatagram(copy, copy.length, this.#localIdOf(bytes), NOBODY, atMs)
    this.#drain(atMs)
  }

  #localIdOf(bytes: Uint8Array): number {
    const destination = [...bytes.subarray(16, 20)].join('.')
    return this.#sal.locals.find(({ endpoint }) => endpoint.address === destination)?.id ?? 1
  }

  /** What the program did, as far as this packet of our end shows it. */
  #act(packet: Seen): void {
    const { atMs } = packet
    const flags = (packet.packet.control?.flags ?? 0) & KNOWN_CONTROL_FLAGS
    if (flags === SYN && this.#flow === undefined) this.#connect(packet)
    if (packet.packet.control === undefined && this.#flow?.state !== 'CLOSED') this.#write(packet)
    const ends = flags & FIN || (packet.tcp && packet.tcp.flags & tcpFlags.FIN)
    if (ends && !this.#hasEnded) {
      this.#hasEnded = true
      this.#flow?.end(atMs)
    }
    if (flags & RST) this.#flow?.reset(atMs)
    if ((flags & (RSYN | ACK)) === RSYN) this.#move(packet.source, atMs)
    this.#drain(atMs)
  }

  #connect({ destination, packet, atMs }: Seen): void {
    const serviceId = packet.service ?? ServiceId.zero
    const target = { endpoint: { address: destination, port: 54_325 } }
    const rule = { type: 'FORWARD', targets: [target] } as const
    this.#sal.serviceTable.insert(new ServicePrefix(serviceId, 256), rule, { source: 'config' })
    const protocol = packet.protocol === protocols.DATAGRAM ? protocols.DATAGRAM : protocols.STREAM
    this.#flow = this.#sal.connect({ serviceId, protocol }, atMs)
  }

  #write({ packet, tcp, payload }: Seen): void {
    if (packet.protocol === protocols.DATAGRAM) return this.#flow?.write(payload.slice())
    if (tcp === undefined) return
    const end = ((tcp.seq - this.#isn - 1) >>> 0) + payload.length
    const fresh = end - this.#written
    if (fresh <= 0 || payload.length === 0) return
    this.#flow?.write(payload.slice(payload.length - fresh))
    this.#written = end
  }

  #move(source: string, nowMs: number): void {
    const local = this.#sal.locals.find(({ endpoint }) => endpoint.address === source)
    const isNew = this.#flow?.migrationState === 'INITIAL' && this.#flow.activePath?.local !== local
    if (this.#flow && local && isNew) this.#sal.migrate(this.#flow, local.id, nowMs)
  }

  /** The program reads all there is; what leaves is looked at. */
  #drain(nowMs: number): void {
    for (let event = this.#sal.pollEvent(); event; event = this.#sal.pollEvent()) {
      if (event.type === 'accept') this.#flow = event.flow
    }
    for (let chunk = this.#flow?.read(); chunk; chunk = this.#flow?.read()) this.#read.push(chunk.slice())
    const batch = this.#batch
    for (let left = MOST_BATCHES; this.#sal.pollTransmit(batch, nowMs); left--) {
      if (left === 0) throw new Error(`sends without end at ${nowMs}: ${this.#played.slice(-3).join(' | ')}`)
      for (let at = 0; at < batch.length; at += batch.segmentBytes) {
        const bytes = batch.buffer.slice(at, Math.min(at + batch.segmentBytes, batch.length))
        const packet = seen(nowMs, bytes)
        if (packet === undefined) throw new Error(`malformed: ${Buffer.from(bytes).toString('hex')}`)
        const line = controlLine(packet)
        if (line !== undefined) this.#played.push(line)
      }
    }
  }
}

/** Makes the checksums of a packet good, behind its IPv4 header; one of 0 in a UDP header says that there is none. */
export function seal(bytes: Uint8Array): void {
  fillSalChecksum(bytes, IPV4_HEADER_BYTES)
  const transport = IPV4_HEADER_BYTES + peekHeaderBytes(bytes, IPV4_HEADER_BYTES)
  const isUnsummed =
    peekProtocol(bytes, IPV4_HEADER_BYTES) === protocols.DATAGRAM && readU16(bytes, transport + 6) === 0
  if (transport < bytes.length && !isUnsummed) finishRawPacket(bytes, 0, bytes.length)
}

/** Of the first exchange: what its SYN or SYN-ACK began. */
function peerStream(packets: readonly Seen[]): Uint8Array {
  const syn = packets.find(({ tcp }) => tcp && tcp.flags & tcpFlags.SYN)
  const bytes: number[] = []
  for (const { tcp, payload, packet } of packets) {
    if (packet.control !== undefined) continue
    if (tcp === undefined) bytes.push(...payload)
    else if (syn?.tcp && packet.srcFlowId === syn.packet.srcFlowId) {
      const offset = (tcp.seq - syn.tcp.seq - 1) >>> 0
      for (const [i, byte] of payload.entries()) bytes[offset + i] = byte
    }
  }
  return Uint8Array.from(bytes)
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

const NOBODY = { address: '0.0.0.0', port: 0 }
/** What no exchange needs, in one instant and between two packets: a loop shows as a failure. */
const MOST_BATCHES = 1_000
const MOST_TIMERS = 10_000
