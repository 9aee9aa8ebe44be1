/**
 * A peer that does only what the test says, packet by packet, right or wrong: it has keys and numbers of its own, and no
 * stack. By it a flow is brought into any state and given any input there.
 */
import { serialAdd } from '../../../src/id/serial.ts'
import type { ServiceId } from '../../../src/id/service-id.ts'
import {
  type Direction,
  derivePlainKeys,
  type FlowKeys,
  plainNonceBytes,
} from '../../../src/security/keys.ts'
import { computeTag, verifyTag } from '../../../src/security/tag.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { challenge, challengeEcho } from '../../../src/wire/extensions/challenge.ts'
import { control, controlFlags } from '../../../src/wire/extensions/control.ts'
import { end } from '../../../src/wire/extensions/end.ts'
import { key, keyModes } from '../../../src/wire/extensions/key.ts'
import { reason, reasonCodes } from '../../../src/wire/extensions/reason.ts'
import { service } from '../../../src/wire/extensions/service.ts'
import { tag } from '../../../src/wire/extensions/tag.ts'
import type { Extension } from '../../../src/wire/extensions.ts'
import type { SalPacket } from '../../../src/wire/packet.ts'
import { tagInput, writeTag } from '../../../src/wire/packet-tag.ts'
import {
  emitSegment,
  parseSegment,
  type Segment,
  segmentFlags,
  segmentLength,
} from '../../../src/wire/segment.ts'
import { wrap48 } from '../../../src/wire/sequence.ts'
import { packetOf, summarize } from './describe-packet.ts'
import { forge } from './forge.ts'
import type { Link } from './link.ts'
import type { Node, Port } from './network.ts'
import type { World } from './world.ts'

const { SYN, RSYN, ACK, NACK, RST, FIN } = controlFlags

export class Puppet implements Node {
  readonly name: string
  readonly world: World
  /** Where packets leave from; set it to move. */
  port: Port
  /** Where packets go: whence the last one came. */
  remote: Endpoint | undefined
  readonly flowId: number
  peerFlowId = 0
  /** The number of the next control packet, and that expected of the flow. */
  verno: number
  ackno = 0
  /** What has come since `take`. */
  #inbox: { readonly packet: SalPacket; readonly port: Port; readonly remote: Endpoint }[] = []
  #summaries: string[] = []
  readonly #share: Uint8Array
  readonly #controlNonce: Uint8Array
  readonly #role: Direction
  #synNonce: Uint8Array | undefined
  #keys: FlowKeys | undefined
  /** Bytes of the stream that have been sent, and that have come. */
  sentBytes = 0
  receivedBytes = 0

  constructor(world: World, name: string, link: Link, role: Direction) {
    this.world = world
    this.name = name
    this.#role = role
    const { random } = world
    this.flowId = random.uint32() || 1
    this.verno = random.uint32()
    this.#share = random.bytes(plainNonceBytes)
    this.#controlNonce = random.bytes(8)
    this.port = this.attach(link)
  }

  attach(link: Link): Port {
    return this.world.network.attach(this, this.world.nextEndpoint(link), link, this.name)
  }

  // ---- what comes -----------------------------------------------------------------------------------------------

  receive(bytes: Uint8Array, port: Port, remote: Endpoint): void {
    const packet = packetOf(bytes)
    if (packet === undefined) return
    this.remote = remote
    this.port = port
    this.#inbox.push({ packet, port, remote })
    this.#summaries.push(summarize(bytes))
    this.#learn(packet)
    if (packet.tag && !this.#verifies(bytes, packet)) throw new Error(`${this.name} got a wrong TAG`)
    this.#readSegment(packet)
  }

  /** What has come since the last call, `ACK+FIN end 0`. */
  take(): string[] {
    this.#inbox = []
    return this.#summaries.splice(0)
  }

  /** Returns the newest CHALLENGE, from where it came to. */
  echoNewest(): void {
    const asked = this.#inbox.findLast(({ packet }) => packet.extension('challenge')?.echo === false)
    if (asked === undefined) throw new Error(`${this.name} has been asked nothing`)
    this.port = asked.port
    this.remote = asked.remote
    this.echo(asked.packet.extension('challenge')!.value)
  }

  /** The newest CHALLENGE that came. */
  get challenge(): Uint8Array | undefined {
    const asked = this.#inbox.findLast(({ packet }) => packet.extension('challenge')?.echo === false)
    return asked?.packet.extension('challenge')?.value
  }

  // ---- what it says ----------------------------------------------------------------------------------------------

  syn(to: Endpoint, serviceId: ServiceId): void {
    this.remote = to
    const extensions = [
      control(SYN, this.verno, 0, this.#controlNonce),
      service(serviceId),
      key(keyModes.PLAIN, this.#share),
    ]
    this.#send(forge({ srcFlowId: this.flowId, dstFlowId: 0, extensions }))
  }

  synAck(): void {
    this.#say(SYN | ACK, [key(keyModes.PLAIN, this.#share)], { segment: true })
  }

  /** Refuses the SYN. */
  nack(code: number = reasonCodes.REFUSED): void {
    const extensions = [control(NACK, 0, this.ackno, this.#synNonce), reason(code)]
    this.#send(forge({ srcFlowId: 0, dstFlowId: this.peerFlowId, extensions }))
  }

  thirdAck(serviceId: ServiceId): void {
    this.#say(ACK, [service(serviceId)], { segment: true })
  }

  /** Acknowledges what has come, control packets and data. */
  ack(options: { ackno?: number; extensions?: readonly Extension[] } = {}): void {
    this.#say(ACK, options.extensions ?? [], { segment: true, ...options })
  }

  echo(value: Uint8Array): void {
    this.ack({ extensions: [challengeEcho(value)] })
  }

  ask(value: Uint8Array): void {
    this.ack({ extensions: [challenge(value)] })
  }

  /** Ends the stream at `finalOffset`. */
  fin(finalOffset = this.sentBytes): void {
    this.#say(FIN | ACK, [end(finalOffset)], { segment: true, consumes: true })
  }

  rst(): void {
    this.#say(RST | ACK, [reason(reasonCodes.CLOSED)])
  }

  rsyn(): void {
    this.#say(RSYN, [], { consumes: true })
  }

  rsynAck(value: Uint8Array): void {
    this.#say(RSYN | ACK, [challenge(value)])
  }

  data(bytes: Uint8Array): void {
    const transport = this.#segment(bytes)
    this.#send(forge({ srcFlowId: this.flowId, dstFlowId: this.peerFlowId, extensions: [], transport }))
    this.sentBytes += bytes.length
  }

  #say(
    flags: number,
    extensions: readonly Extension[],
    options: { segment?: boolean; consumes?: boolean; ackno?: number } = {},
  ): void {
    const bytes = forge({
      srcFlowId: this.flowId,
      dstFlowId: this.peerFlowId,
      extensions: [control(flags, this.verno, options.ackno ?? this.ackno), ...extensions, tag(0)],
      ...(options.segment ? { transport: this.#segment() } : {}),
    })
    if (options.consumes || (flags & SYN) !== 0) this.verno = serialAdd(this.verno, 1)
    const covered = tagInput(bytes, SHIM_BYTES, bytes.length)
    writeTag(bytes, SHIM_BYTES, computeTag(this.#keys!.tagKey, 0, this.#role, covered))
    this.#send(bytes)
  }

  #send(bytes: Uint8Array): void {
    this.world.network.inject({ bytes, from: this.port, to: this.remote! })
  }

  // ---- numbers ----------------------------------------------------------------------------------------------------

  #learn(packet: SalPacket): void {
    const offered = packet.extension('key')
    const said = packet.control
    if (offered && said && said.flags & SYN) {
      this.peerFlowId = packet.srcFlowId
      this.ackno = serialAdd(said.verno, 1)
      this.#synNonce = said.nonce
      const [client, server] =
        this.#role === 'client' ? [this.#share, offered.share] : [offered.share, this.#share]
      this.#keys = derivePlainKeys(client, server)
      if (this.#role === 'client') this.verno = said.ackno
    } else if (said && said.verno === this.ackno && consumes(said.flags)) {
      this.ackno = serialAdd(this.ackno, 1)
    }
  }

  #verifies(bytes: Uint8Array, { tag }: SalPacket): boolean {
    const sender = this.#role === 'client' ? 'server' : 'client'
    const covered = tagInput(bytes, SHIM_BYTES, bytes.length)
    return verifyTag(this.#keys!.tagKey, 0, sender, covered, tag!.value)
  }

  #readSegment({ transport }: SalPacket): void {
    if (transport.length === 0 || this.#keys === undefined) return
    const { seq, payload } = parseSegment(transport, 0, transport.length) as Segment
    if (seq === wrap48(this.#peerIsn + this.receivedBytes)) this.receivedBytes += payload.length
  }

  #segment(payload: Uint8Array = new Uint8Array(0)): Uint8Array {
    const segment: Segment = {
      seq: wrap48(this.#isn + this.sentBytes),
      ack: wrap48(this.#peerIsn + this.receivedBytes),
      windowBytes: 1 << 20,
      flags: segmentFlags.ACK,
      sack: [],
      payload,
    }
    const bytes = new Uint8Array(segmentLength(segment))
    emitSegment(segment, bytes, 0)
    return bytes
  }

  get #isn(): number {
    const { clientIsn, serverIsn } = this.#keys!
    return this.#role === 'client' ? clientIsn : serverIsn
  }

  get #peerIsn(): number {
    const { clientIsn, serverIsn } = this.#keys!
    return this.#role === 'client' ? serverIsn : clientIsn
  }
}

/** Whether a control packet with these flags takes a number of its own. */
function consumes(flags: number): boolean {
  return (flags & (SYN | FIN)) !== 0 || (flags & (RSYN | ACK)) === RSYN
}
