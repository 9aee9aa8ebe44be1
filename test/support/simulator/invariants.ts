/**
 * What must hold after every step of every simulation, counted from packets and from what programs wrote and read, never
 * by the stack's own counters.
 */
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import type { QueueSize } from '../../../src/flow/queue-size.ts'
import type { FlowState } from '../../../src/flow/states.ts'
import { NO_FLOW_ID } from '../../../src/id/flow-id.ts'
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import { type Endpoint, formatEndpoint } from '../../../src/wire/endpoint.ts'
import { controlFlags } from '../../../src/wire/extensions/control.ts'
import type { SalPacket } from '../../../src/wire/packet.ts'
import {
  BASE_HEADER_BYTES,
  peekDstFlowId,
  peekHeaderBytes,
  peekProtocol,
  protocols,
} from '../../../src/wire/sal-header.ts'
import { packetOf } from './describe-packet.ts'
import { EndpointMap } from './endpoint-map.ts'
import { InvariantViolation } from './invariant-violation.ts'
import { type Node, type Packet, type Port, sourceOf, type Watcher } from './network.ts'
import { OfferedWindows } from './offered-windows.ts'
import type { SimFlow } from './sim-flow.ts'

/** Of one address, as one node sees it. */
interface Ledger {
  receivedBytes: number
  sentBytes: number
  isValidated: boolean
  /** Challenges that were sent there: only who receives there can return them. */
  readonly challenges: Set<string>
}

const AMPLIFICATION_LIMIT = 3
const { SYN, ACK } = controlFlags

export class Invariants implements Watcher {
  readonly #ledgers = new Map<Node, EndpointMap<Ledger>>()
  /** Nodes and the flowIDs that they have sent SYNs from. */
  readonly #syns = new Set<string>()
  /** By node and flowID: where its SYN-ACK was sent. Who tags a packet for the flow has seen it. */
  readonly #offers = new Map<string, Ledger>()
  readonly #windows = new OfferedWindows()
  readonly #owners = new Map<string, AnyFlow>()
  /** Both ends of a flow, by the client's flowID. */
  readonly #pairs = new Map<number, SimFlow[]>()
  /** The routers that a packet has passed. */
  readonly #passed = new WeakMap<Uint8Array, readonly Node[]>()
  /** The routers that the newest copy of a SYN had passed when it came to a node. */
  readonly #arrivedBy = new Map<string, readonly Node[]>()

  // ---- windows, amplification and loops: by packets ------------------------------------------------------------------

  handleSent({ from, to, bytes, isInjected }: Packet): void {
    if (isInjected) return
    this.#windows.handleSent(from.node, bytes)
    const ledger = this.#ledger(from.node, to)
    const packet = controlPacketOf(bytes)
    if (packet && isSyn(packet)) {
      this.#syns.add(`${from.node.name} ${packet.srcFlowId}`)
      this.#checkLoop(from.node, packet, bytes)
      return
    }
    // What a program sends to a service, it has decided by itself; no stack answers it.
    if (ledger.isValidated || isUnconnected(bytes, packet)) return
    for (const challenge of packet ? challengesOf(packet, false) : []) ledger.challenges.add(challenge)
    if (packet && isSynAck(packet)) this.#offers.set(`${from.node.name} ${packet.srcFlowId}`, ledger)
    ledger.sentBytes += bytes.length
    if (ledger.sentBytes > AMPLIFICATION_LIMIT * ledger.receivedBytes) {
      throw new InvariantViolation(
        'amplification',
        `${from.node.name} has sent ${ledger.sentBytes} bytes to ${formatEndpoint(to)}, which has sent ${ledger.receivedBytes} and proven nothing`,
      )
    }
  }

  handleDelivered(packet: Packet, port: Port): void {
    const { bytes } = packet
    this.#windows.handleDelivered(port.node, packet)
    const ledger = this.#ledger(port.node, sourceOf(packet))
    ledger.receivedBytes += bytes.length
    const control = controlPacketOf(bytes)
    if (control === undefined) return
    if (isSyn(control)) {
      this.#arrivedBy.set(`${port.node.name} ${synKey(control)}`, this.#passed.get(bytes) ?? [])
      const client = control.extension('route')?.entries[0]
      if (client) this.#ledger(port.node, client).receivedBytes += bytes.length
      return
    }
    const answersSyn = isSynAck(control) && this.#syns.has(`${port.node.name} ${control.dstFlowId}`)
    const echoes = challengesOf(control, true).some(challenge => ledger.challenges.has(challenge))
    if (answersSyn || echoes) ledger.isValidated = true
    const offered = this.#offers.get(`${port.node.name} ${control.dstFlowId}`)
    if (offered && control.tag) offered.isValidated = true
  }

  #ledger(node: Node, remote: Endpoint): Ledger {
    const known = this.#ledgers.get(node)
    const ledgers = known ?? new EndpointMap<Ledger>()
    if (known === undefined) this.#ledgers.set(node, ledgers)
    const ledger = ledgers.get(remote)
    if (ledger !== undefined) return ledger
    const opened: Ledger = { receivedBytes: 0, sentBytes: 0, isValidated: false, challenges: new Set() }
    ledgers.set(remote, opened)
    return opened
  }

  #checkLoop(node: Node, syn: SalPacket, bytes: Uint8Array): void {
    const passed = this.#arrivedBy.get(`${node.name} ${synKey(syn)}`)
    if (passed === undefined) return
    if (passed.includes(node))
      throw new InvariantViolation('loop', `a SYN has passed ${node.name} and is sent on there again`)
    this.#passed.set(bytes, [...passed, node])
  }

  // ---- owners: by states -------------------------------------------------------------------------------------

  handleState(node: Node, flow: AnyFlow, from: FlowState, to: FlowState): void {
    const [own, peers] = claimsOf(node, flow)
    if (from === 'INIT') this.#claim(own, flow)
    if (to === 'CONNECTED') this.#claim(peers, flow)
    if (to === 'CLOSED') for (const key of claimsOf(node, flow)) this.#disclaim(key, flow)
  }

  #claim(key: string, flow: AnyFlow): void {
    const owner = this.#owners.get(key)
    if (owner !== undefined && owner !== flow)
      throw new InvariantViolation('owner', `${key} has two owners at once`)
    this.#owners.set(key, flow)
  }

  #disclaim(key: string, flow: AnyFlow): void {
    if (this.#owners.get(key) === flow) this.#owners.delete(key)
  }

  // ---- prefix and queues: by looking ---------------------------------------------------------------------------

  handleFlow(flow: SimFlow): void {
    const pair = this.#pairs.get(flow.clientFlowId)
    if (pair) pair.push(flow)
    else this.#pairs.set(flow.clientFlowId, [flow])
  }

  /** Nothing has been read that was not written. */
  checkPrefix(flow: SimFlow): void {
    if (flow.takesAnything) return
    const written = this.#pairs
      .get(flow.clientFlowId)!
      .filter(other => other.flow.role !== flow.flow.role)
      .reduce((sum, other) => sum + other.sentBytes, 0)
    if (flow.receivedBytes > written) {
      throw new InvariantViolation(
        'prefix',
        `${flow.host.name} has read ${flow.receivedBytes} bytes, ${written} were written`,
      )
    }
  }

  checkQueues(node: Node, queues: Iterable<QueueSize>): void {
    for (const { name, size, limit } of queues) {
      if (size > limit)
        throw new InvariantViolation('queues', `${name} of ${node.name} holds ${size}, its cap is ${limit}`)
    }
  }
}

/** What a flow owns: its flowID in its stack, and its place as the other end of its peer. */
function claimsOf(node: Node, { role, flowId, peerFlowId }: AnyFlow): readonly [string, string] {
  return [`${node.name} flow ${flowId}`, `the ${role} of the peer's flow ${peerFlowId}`]
}

/** Undefined for plain data, which a glance shows. */
function controlPacketOf(bytes: Uint8Array): SalPacket | undefined {
  if (peekHeaderBytes(bytes, SHIM_BYTES) === BASE_HEADER_BYTES) return undefined
  const packet = packetOf(bytes)
  return packet?.control ? packet : undefined
}

function isUnconnected(bytes: Uint8Array, packet: SalPacket | undefined): boolean {
  const isDatagram = peekProtocol(bytes, SHIM_BYTES) === protocols.DATAGRAM
  return isDatagram && packet?.control === undefined && peekDstFlowId(bytes, SHIM_BYTES) === NO_FLOW_ID
}

function isSyn({ control }: SalPacket): boolean {
  return control !== undefined && (control.flags & (SYN | ACK)) === SYN
}

function synKey({ srcFlowId, control }: SalPacket): string {
  return `${srcFlowId} ${control!.nonce.join()}`
}

function isSynAck({ control }: SalPacket): boolean {
  return control !== undefined && (control.flags & (SYN | ACK)) === (SYN | ACK)
}

function challengesOf({ extensions }: SalPacket, echoed: boolean): string[] {
  return extensions.flatMap(extension =>
    extension.kind === 'challenge' && extension.echo === echoed ? [extension.value.join()] : [],
  )
}
