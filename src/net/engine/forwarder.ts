/**
 * HOT: what a worker of the router does all day: waits for its sockets, takes what they have in store with one call,
 * rewrites each packet where it lies, and sends all of them with another. Packets for one target, of one size, are one
 * message, which the kernel cuts (UDP_SEGMENT). What the short way does not take goes to the router's core.
 */
import { constants } from 'node:os'
import type { FastPath } from '../../router/fast-path.ts'
import { ReadAhead } from '../../router/read-ahead.ts'
import type { Router } from '../../router/router.ts'
import type { ForwardTarget } from '../../service/target.ts'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'
import { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { PacketTap } from '../links/link.ts'
import { HEADER_BYTES } from '../links/message-block.ts'
import { SenderReader, socketAddressOf } from '../links/socket-address.ts'
import type { MessageCalls } from './message-calls.ts'
import { BATCH, MessageSlab } from './message-slab.ts'

const { EAGAIN, EIO, EINVAL, EMSGSIZE } = constants.errno
/** Of one message (UDP_MAX_SEGMENTS before Linux 6.9), and bytes of all of them, a UDP datagram's limit. */
const MAX_SEGMENTS = 64
const MAX_MESSAGE_BYTES = 65_000
/** A way on which the kernel would not cut is asked again after this: routes and devices change. */
const REFUSAL_MS = 30_000
const POLLIN = 1
const POLLFD_WORDS = 2
/** No packet. */
const NONE = -1

interface ListeningSocket {
  readonly id: number
  readonly fd: number
  readonly endpoint: Endpoint
  readonly isV6: boolean
  readonly sender: SenderReader
}

/** Where a target is, and what of the batch in hand goes there. */
interface Destination {
  readonly socketAddress: Uint8Array
  readonly isV6: boolean
  /** Until then its packets are not left to the kernel to cut. */
  refusedUntil: number
  /** Packets of the batch, linked by `#next`. */
  first: number
  last: number
}

export class Forwarder {
  /** What could not be sent. */
  readonly counters = { linkFull: 0, sendErrors: 0 }
  /** Whoever looks on. */
  tap: PacketTap | undefined

  readonly #calls: MessageCalls
  readonly #router: Router
  readonly #nowMs: () => number
  readonly #slab: MessageSlab
  readonly #fastPath: FastPath
  readonly #ahead: ReadAhead
  readonly #sockets = new Map<number, ListeningSocket>()
  #list: readonly ListeningSocket[] = []
  #descriptors: Int32Array
  #descriptorsAddress = 0
  readonly #bell: number

  readonly #destinations = new WeakMap<ForwardTarget, Destination>()
  #lastTarget: ForwardTarget | undefined
  #lastDestination: Destination | undefined
  // Of the batch in hand: where each packet is, what follows it on its way, and all ways.
  readonly #starts = new Int32Array(BATCH)
  readonly #ends = new Int32Array(BATCH)
  readonly #next = new Int32Array(BATCH)
  readonly #active: Destination[] = []
  /** Of each message. */
  readonly #messageOf: Destination[] = []
  readonly #output = new TransmitBatch()

  /** `bell` wakes it (`MessageCalls.newBell`). */
  constructor(calls: MessageCalls, router: Router, bell: number, nowMs: () => number) {
    this.#calls = calls
    this.#router = router
    this.#bell = bell
    this.#nowMs = nowMs
    this.#slab = new MessageSlab(bytes => calls.addressOf(bytes))
    this.#fastPath = router.newFastPath(this.#slab.bytes, target => this.#canReach(target))
    this.#ahead = new ReadAhead(router.table, this.#slab.bytes, BATCH)
    this.#descriptors = this.#newDescriptors()
  }

  addSocket(id: number, fd: number, endpoint: Endpoint): void {
    const isV6 = endpointFamily(endpoint) === 6
    this.#sockets.set(id, { id, fd, endpoint, isV6, sender: new SenderReader(endpoint) })
    this.#router.addLocal({ id, endpoint })
    this.#listSockets()
  }

  /** Lets others have what comes for it from now on, forwards what it has, and closes it. */
  removeSocket(id: number): void {
    const socket = this.#sockets.get(id)
    if (socket === undefined) return
    this.#calls.leaveGroup(socket.fd, socket.endpoint)
    while (this.#receive(socket) > 0);
    this.flush()
    // A packet may have been on its way to this socket while it left.
    this.#calls.wait(0, 0, 2)
    while (this.#receive(socket) > 0);
    this.flush()
    this.#sockets.delete(id)
    this.#router.removeLocal(id)
    this.#listSockets()
    this.#calls.close(socket.fd)
  }

  /** Waits for packets, `timeoutMs` at most, and sends on those that have come. True: there may be more behind them. */
  turn(timeoutMs: number): boolean {
    const descriptors = this.#descriptors
    this.#calls.wait(this.#descriptorsAddress, this.#list.length + 1, timeoutMs)
    if (descriptors[1]! >> 16 !== 0) this.#calls.silence(this.#bell)
    let isMore = false
    for (let i = 0; i < this.#list.length; i++) {
      const isReady = descriptors[POLLFD_WORDS * (i + 1) + 1]! >> 16 !== 0
      if (isReady && this.#receive(this.#list[i]!) === BATCH) isMore = true
    }
    return isMore
  }

  /** Sends what the router's core has to send. */
  flush(): void {
    const output = this.#output
    while (this.#router.pollTransmit(output)) {
      const socket = this.#sockets.get(output.localId)
      if (socket === undefined) continue
      this.tap?.show(output.buffer, output.length, socket.endpoint, output.remote)
      this.#slab.beginMessage(socketAddressOf(output.remote))
      this.#slab.addCopy(output.buffer, output.length)
      this.#sendMessages(socket.fd, 0)
    }
  }

  /** Takes a batch from a socket and sends it on; returns how many. */
  #receive(socket: ListeningSocket): number {
    const slab = this.#slab
    const count = this.#calls.receive(socket.fd, slab.received, BATCH)
    if (count <= 0) return 0
    const nowMs = this.#nowMs()
    const address = socket.isV6 ? 8 : 4
    const addressBytes = socket.isV6 ? 16 : 4
    const { bytes } = slab
    const fast = this.#fastPath
    this.#readAhead(count)
    for (let i = 0; i < count; i++) {
      const start = slab.packetAt(i)
      const name = slab.addressAt(i)
      if (this.tap !== undefined) this.#showReceived(socket, i, this.tap)
      const port = (bytes[name + 2]! << 8) | bytes[name + 3]!
      const target = slab.isWhole(i)
        ? fast.forward(start, start + slab.lengthOf(i), name + address, addressBytes, port, nowMs)
        : undefined
      if (target === undefined) this.#handle(socket, i, nowMs)
      else this.#put(i, this.#destinationOf(target))
      if (target !== undefined && this.tap !== undefined) this.#showForwarded(target, this.tap)
    }
    slab.renew(count)
    this.#send(socket, nowMs)
    return count
  }

  /** For a single packet there is nothing to gain. */
  #readAhead(count: number): void {
    const ahead = this.#ahead
    if (count === 1 || !ahead.isWorthwhile) return
    for (let i = 0; i < count; i++) ahead.expect(this.#slab.packetAt(i))
    ahead.read()
  }

  /** The long way. */
  #handle(socket: ListeningSocket, i: number, nowMs: number): void {
    const datagram = this.#slab.datagram(i)
    this.#router.handleDatagram(datagram, datagram.length, socket.id, this.#senderOf(socket, i), nowMs)
  }

  #senderOf({ sender }: ListeningSocket, i: number): Endpoint {
    const name = this.#slab.addressAt(i)
    sender.bytes.set(this.#slab.bytes.subarray(name, name + sender.bytes.length))
    return sender.read()
  }

  #showReceived(socket: ListeningSocket, i: number, tap: PacketTap): void {
    const datagram = this.#slab.datagram(i)
    tap.show(datagram, datagram.length, this.#senderOf(socket, i), socket.endpoint)
  }

  /** What the fast path has just made of a packet. */
  #showForwarded({ endpoint }: ForwardTarget, tap: PacketTap): void {
    const { start, end } = this.#fastPath
    const from = this.#socketOf(endpointFamily(endpoint) === 6)!.endpoint
    tap.show(this.#slab.bytes.subarray(start, end), end - start, from, endpoint)
  }

  #put(i: number, destination: Destination): void {
    this.#starts[i] = this.#fastPath.start
    this.#ends[i] = this.#fastPath.end
    this.#next[i] = NONE
    if (destination.first === NONE) {
      destination.first = i
      this.#active.push(destination)
    } else this.#next[destination.last] = i
    destination.last = i
  }

  #send(arrived: ListeningSocket, nowMs: number): void {
    let fd = arrived.fd
    for (const destination of this.#active) {
      const from = destination.isV6 === arrived.isV6 ? arrived : this.#socketOf(destination.isV6)!
      if (from.fd !== fd) {
        this.#sendMessages(fd, nowMs)
        fd = from.fd
      }
      this.#makeMessages(destination, nowMs)
    }
    this.#active.length = 0
    this.#sendMessages(fd, nowMs)
  }

  /** Packets of equal size go together; a shorter one may be the last of them. */
  #makeMessages(destination: Destination, nowMs: number): void {
    const slab = this.#slab
    const most = destination.refusedUntil > nowMs ? 1 : MAX_SEGMENTS
    let packets = 0
    let segmentBytes = 0
    let room = 0
    for (let i = destination.first; i !== NONE; i = this.#next[i]!) {
      const length = this.#ends[i]! - this.#starts[i]!
      if (packets === 0 || packets === most || length > segmentBytes || length > room) {
        this.#messageOf[slab.messages] = destination
        slab.beginMessage(destination.socketAddress)
        packets = 0
        segmentBytes = length
        room = MAX_MESSAGE_BYTES
      } else if (packets === 1) slab.cutEvery(segmentBytes)
      slab.addPacket(this.#starts[i]!, this.#ends[i]!)
      packets++
      room = length < segmentBytes ? 0 : room - length
    }
    destination.first = NONE
  }

  #sendMessages(fd: number, nowMs: number): void {
    const slab = this.#slab
    for (let at = 0; at < slab.messages; ) {
      const sent = this.#calls.send(fd, slab.sent + HEADER_BYTES * at, slab.messages - at)
      if (sent < 0) this.#handleRefusal(fd, at++, -sent, nowMs)
      else at += sent
    }
    slab.clear()
  }

  /** The kernel does not take a message as it is; one of many packets it may take packet by packet. */
  #handleRefusal(fd: number, message: number, errno: number, nowMs: number): void {
    const slab = this.#slab
    const packets = slab.packetsOf(message)
    if (packets === 1 || (errno !== EIO && errno !== EINVAL && errno !== EMSGSIZE)) {
      return this.#countRefusal(errno, packets)
    }
    this.#messageOf[message]!.refusedUntil = nowMs + REFUSAL_MS
    for (let p = 0; p < packets; p++) {
      slab.reduceTo(message, p)
      const sent = this.#calls.send(fd, slab.sent + HEADER_BYTES * message, 1)
      if (sent < 0) this.#countRefusal(-sent, 1)
    }
  }

  #countRefusal(errno: number, packets: number): void {
    if (errno === EAGAIN) this.counters.linkFull += packets
    else this.counters.sendErrors += packets
  }

  #canReach(target: ForwardTarget): boolean {
    return this.#socketOf(this.#destinationOf(target).isV6) !== undefined
  }

  #socketOf(isV6: boolean): ListeningSocket | undefined {
    for (const socket of this.#list) if (socket.isV6 === isV6) return socket
    return undefined
  }

  #destinationOf(target: ForwardTarget): Destination {
    if (target === this.#lastTarget) return this.#lastDestination!
    let destination = this.#destinations.get(target)
    if (destination === undefined) {
      const socketAddress = socketAddressOf(target.endpoint)
      const isV6 = endpointFamily(target.endpoint) === 6
      destination = { socketAddress, isV6, refusedUntil: 0, first: NONE, last: NONE }
      this.#destinations.set(target, destination)
    }
    this.#lastTarget = target
    this.#lastDestination = destination
    return destination
  }

  #listSockets(): void {
    this.#list = [...this.#sockets.values()]
    this.#descriptors = this.#newDescriptors()
  }

  /** The bell first, then the sockets, a struct pollfd each: a descriptor, and 16 bits of events asked for and seen. */
  #newDescriptors(): Int32Array {
    // 64 KiB, as small arrays would be moved about by the garbage collector.
    const descriptors = new Int32Array(1 << 14)
    const all = [this.#bell, ...this.#list.map(({ fd }) => fd)]
    for (const [i, fd] of all.entries()) {
      descriptors[POLLFD_WORDS * i] = fd
      descriptors[POLLFD_WORDS * i + 1] = POLLIN
    }
    this.#descriptorsAddress = this.#calls.addressOf(new Uint8Array(descriptors.buffer))
    return descriptors
  }
}
