/**
 * The host's IPv4 addresses, and raw IP links from them, protocol 144: what the 2014 profile travels by. One socket receives
 * for all addresses, broadcasts too; each address has one of its own to send from.
 */
import type { RemoteInfo, Socket } from 'node:dgram'
import { RAW_IP } from '../../control/host-network.ts'
import { broadcastOf, isLoopback } from '../../id/address.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { IPV4_HEADER_BYTES } from '../../wire/ipv4.ts'
import { RAW_PORT } from '../../wire/raw-ip.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { HostAddress, Link, LinkEvents, Network } from './link.ts'
import { RawSockets } from './raw-sockets.ts'
import { UdpNetwork } from './udp-network.ts'

const LIMITED_BROADCAST = '255.255.255.255'

export class RawIpNetwork implements Network {
  readonly id = RAW_IP
  readonly isRawIp = true
  readonly #sockets = new RawSockets()
  readonly #system = new UdpNetwork(false)
  readonly #links = new Map<string, RawIpLink>()
  #receiver: Socket | undefined
  /** As last asked for. A link may be older than what the system says of its subnet. */
  #listed: readonly HostAddress[] = []

  /** Those of IPv4. */
  addresses(): readonly HostAddress[] {
    this.#listed = this.#system.addresses().filter(({ address }) => !address.includes(':'))
    return this.#listed
  }

  /** Where a packet for all hosts of a subnet goes, one endpoint for each interface that is no loopback. */
  broadcastEndpoints(): readonly Endpoint[] {
    const subnets = this.addresses().filter(
      ({ address, prefixBits }) => !isLoopback(address) && prefixBits < 31,
    )
    const addresses = new Set(subnets.map(({ address, prefixBits }) => broadcastOf(address, prefixBits)))
    return [...addresses].map(address => ({ address, port: RAW_PORT }))
  }

  /** Each raw socket of a host gets all of its packets: who is not alone cannot tell which are for nobody. */
  isAlone(): boolean {
    return this.#sockets.receivers() === 1
  }

  open(id: number, host: HostAddress, _port: number, events: LinkEvents): Link {
    this.#receiver ??= this.#openReceiver()
    const link = new RawIpLink(id, host.address, this.#sockets.openSender(host.address), events, isRef => {
      if (isRef !== undefined) return this.#hold()
      this.#links.delete(host.address)
      if (this.#links.size > 0) return this.#hold()
      this.#receiver?.close()
      this.#receiver = undefined
    })
    this.#links.set(host.address, link)
    this.#hold()
    return link
  }

  #openReceiver(): Socket {
    const receiver = this.#sockets.openReceiver()
    receiver.on('message', (packet: Uint8Array, from: RemoteInfo) => this.#receive(packet, from.address))
    receiver.on('error', error => {
      for (const link of this.#links.values()) link.handleError(error)
    })
    return receiver
  }

  #receive(packet: Uint8Array, source: string): void {
    if (packet.length < IPV4_HEADER_BYTES) return
    const destination = `${packet[16]}.${packet[17]}.${packet[18]}.${packet[19]}`
    const link = this.#links.get(destination) ?? this.#linkForAll(destination, source)
    link?.handlePacket(packet, { address: source, port: RAW_PORT })
  }

  /** From the address that answers a broadcast: one in that subnet, or, where it is for all, in that of the sender. */
  #linkForAll(destination: string, source: string): RawIpLink | undefined {
    const isMeant = ({ address, prefixBits }: HostAddress) => {
      const broadcast = broadcastOf(address, prefixBits)
      return broadcast === (destination === LIMITED_BROADCAST ? broadcastOf(source, prefixBits) : destination)
    }
    const host = this.#listed.find(host => this.#links.has(host.address) && isMeant(host))
    return host && this.#links.get(host.address)
  }

  #hold(): void {
    const isRef = [...this.#links.values()].some(link => link.isRef)
    if (isRef) this.#receiver?.ref()
    else this.#receiver?.unref()
  }
}

class RawIpLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  isRef = true
  readonly #socket: Socket
  readonly #events: LinkEvents
  /** Told what `isRef` has become, or undefined once the link is closed. */
  readonly #onChange: (isRef?: boolean) => void
  readonly #sent: (error: Error | null) => void
  #full = false
  #isClosed = false

  constructor(
    id: number,
    address: string,
    socket: Socket,
    events: LinkEvents,
    onChange: (isRef?: boolean) => void,
  ) {
    this.id = id
    this.endpoint = { address, port: RAW_PORT }
    this.#socket = socket
    this.#events = events
    this.#onChange = onChange
    this.#sent = error => this.#handleSent(error)
    socket.on('error', error => this.handleError(error))
    // It receives nothing, and so has nothing to wait for.
    socket.unref()
  }

  get full(): boolean {
    return this.#full
  }

  get queuedBytes(): number {
    return this.#isClosed ? 0 : this.#socket.getSendQueueSize()
  }

  /** A packet goes where its own header says. */
  send(batch: TransmitBatch): boolean {
    if (this.#isClosed) return true
    batch.flatten()
    const { buffer, length, segmentBytes } = batch
    for (let at = 0; at < length; at += segmentBytes) {
      const bytes = Math.min(segmentBytes, length - at)
      const destination = `${buffer[at + 16]}.${buffer[at + 17]}.${buffer[at + 18]}.${buffer[at + 19]}`
      const isLast = at + bytes === length
      this.#socket.send(buffer, at, bytes, RAW_PORT, destination, at === 0 || isLast ? this.#sent : undefined)
    }
    this.#full = this.#socket.getSendQueueCount() > 0
    return !this.#full
  }

  hold(isRef: boolean): void {
    this.isRef = isRef
    this.#onChange(isRef)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
    this.#onChange()
  }

  handlePacket(packet: Uint8Array, remote: Endpoint): void {
    this.#events.onDatagram(this, packet, packet.length, remote)
  }

  handleError(error: NodeJS.ErrnoException & { address?: string }): void {
    if (this.#isClosed) return
    const remote = error.address === undefined ? undefined : { address: error.address, port: RAW_PORT }
    this.#events.onError(this, error.code ?? 'UNKNOWN', remote)
  }

  #handleSent(error: Error | null): void {
    if (this.#isClosed) return
    if (error !== null) this.handleError(error)
    if (this.#full && this.#socket.getSendQueueCount() === 0) {
      this.#full = false
      this.#events.onDrain(this)
    }
  }
}
