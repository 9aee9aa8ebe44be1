/**
 * A network inside one process: stacks of one program, and tests, exchange batches by endpoint without a socket. Like
 * UDP it may be told of unknown addresses, and loses what is sent there.
 */
import { type Endpoint, formatEndpoint } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { HostAddress, Link, LinkEvents, Network } from './link.ts'

/** Where ports that nobody chose are taken from (RFC 6335 section 6). */
const FIRST_DYNAMIC_PORT = 49_152
const MEMORY_MTU = 65_535
let networks = 0

export class MemoryNetwork {
  readonly id = `memory-${process.pid}-${++networks}`
  readonly #links = new Map<string, MemoryLink>()
  #lastPort = FIRST_DYNAMIC_PORT - 1

  /** A host of this network with its addresses: what a stack takes. */
  host(...addresses: string[]): MemoryHost {
    return new MemoryHost(this, addresses)
  }

  bind(id: number, address: string, port: number, events: LinkEvents): MemoryLink {
    const endpoint = { address, port: port || this.#freePort(address) }
    const key = formatEndpoint(endpoint)
    if (this.#links.has(key)) throw systemError('EADDRINUSE', endpoint)
    const link = new MemoryLink(id, endpoint, events, this)
    this.#links.set(key, link)
    return link
  }

  /** Brings a copy of the batch to who is at its remote, in another turn. */
  carry({ buffer, length, remote }: TransmitBatch, from: Endpoint): void {
    const copy = buffer.slice(0, length)
    const key = formatEndpoint(remote)
    setImmediate(() => this.#links.get(key)?.receive(copy, from))
  }

  release(link: MemoryLink): void {
    this.#links.delete(formatEndpoint(link.endpoint))
  }

  #freePort(address: string): number {
    do {
      this.#lastPort = this.#lastPort < 0xffff ? this.#lastPort + 1 : FIRST_DYNAMIC_PORT
    } while (this.#links.has(formatEndpoint({ address, port: this.#lastPort })))
    return this.#lastPort
  }
}

/** One stack's view of a memory network; its addresses may come and go. */
export class MemoryHost implements Network {
  readonly #network: MemoryNetwork
  readonly #watchers = new Set<() => void>()
  #addresses: readonly string[]

  constructor(network: MemoryNetwork, addresses: readonly string[]) {
    this.#network = network
    this.#addresses = addresses
  }

  get id(): string {
    return this.#network.id
  }

  addresses(): readonly HostAddress[] {
    return this.#addresses.map(address => ({
      address,
      prefixBits: address.includes(':') ? 64 : 24,
      mtu: MEMORY_MTU,
      interfaceName: 'memory',
    }))
  }

  /** Replaces the addresses, as when interfaces come and go. */
  setAddresses(...addresses: string[]): void {
    this.#addresses = addresses
    for (const onChange of this.#watchers) onChange()
  }

  open(id: number, { address }: HostAddress, port: number, events: LinkEvents): Link {
    if (!this.#addresses.includes(address)) throw systemError('EADDRNOTAVAIL', { address, port })
    return this.#network.bind(id, address, port, events)
  }

  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange)
    return () => this.#watchers.delete(onChange)
  }
}

export class MemoryLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  readonly full = false
  readonly queuedBytes = 0
  readonly #events: LinkEvents
  readonly #network: MemoryNetwork
  #isClosed = false

  constructor(id: number, endpoint: Endpoint, events: LinkEvents, network: MemoryNetwork) {
    this.id = id
    this.endpoint = endpoint
    this.#events = events
    this.#network = network
  }

  send(batch: TransmitBatch): boolean {
    if (!this.#isClosed) this.#network.carry(batch, this.endpoint)
    return true
  }

  receive(buffer: Uint8Array, remote: Endpoint): void {
    this.#events.onDatagram(this, buffer, buffer.length, remote)
  }

  /** Memory keeps no process alive: what is on its way arrives, and then nothing more can come. */
  hold(_isRef: boolean): void {}

  close(): void {
    this.#isClosed = true
    this.#network.release(this)
  }
}

function systemError(code: string, { address, port }: Endpoint): NodeJS.ErrnoException {
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { code, syscall: 'bind', address, port })
}
