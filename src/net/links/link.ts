/**
 * What a stack needs of the network below: its own addresses, and for each of them a link that carries datagrams. UDP
 * over the kernel and the channel between stacks of one process both look like this.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'

/** One address of this host. */
export interface HostAddress {
  /** As in an `Endpoint`: a link-local one has its zone. */
  readonly address: string
  /** Length of the subnet's prefix. */
  readonly prefixBits: number
  /** Bytes of the largest IP packet that the interface takes. */
  readonly mtu: number
  readonly interfaceName: string
}

export interface LinkEvents {
  /**
   * A datagram, or several that the kernel merged: `buffer[0..length)`. The buffer is the receiver's from now on.
   * True: that is enough for this turn of the event loop.
   */
  onDatagram(link: Link, buffer: Uint8Array, length: number, remote: Endpoint): boolean | undefined
  /**
   * Something could not be sent, to `remote` where that is known, or the link has failed; `code` is the system's,
   * `EADDRNOTAVAIL`.
   */
  onError(link: Link, code: string, remote?: Endpoint): void
  /** `full` is false again. */
  onDrain(link: Link): void
}

/** Looks at what passes links. */
export interface PacketTap {
  /**
   * `buffer[0, length)` goes from one endpoint to the other: one packet or many, as a link takes and gives them. Nothing of the
   * buffer is kept. `nowMs`: default: now.
   */
  show(buffer: Uint8Array, length: number, source: Endpoint, destination: Endpoint, nowMs?: number): void
  /** So many packets passed unseen. */
  miss(packets: number): void
}

/** A bound socket, or its stand-in. */
export interface Link {
  readonly id: number
  readonly endpoint: Endpoint
  /** No more data should be sent until `onDrain`. A link always takes the batch that fills it, and control packets. */
  readonly full: boolean
  /** Whether a batch is one call to it, also a gathered one (transmit-batch.ts), whose payload it reads from where that lies; default: no. */
  readonly gathers?: boolean
  /** Bytes taken that the layer below has not taken yet. */
  readonly queuedBytes: number
  /**
   * Sends a batch to its remote. False: the link still reads from the batch's buffer, and the caller must go on with
   * another one.
   */
  send(batch: TransmitBatch): boolean
  /** In the event loop's check phase: receives what has come, before the next poll phase tells of it. Not all links can. */
  look?(): void
  /** Whether the process waits for what may come in. */
  hold(isRef: boolean): void
  /** What is queued is lost. Nothing is told after this. */
  close(): void
}

export interface Network {
  /** Sets apart networks whose addresses have nothing to do with each other's. */
  readonly id: string
  /** Whether its datagrams are IP packets as they are; default: payloads of UDP. */
  readonly isRawIp?: boolean
  /** The addresses that this host has now. */
  addresses(): readonly HostAddress[]
  /**
   * A link from `address`, bound when this returns; port 0: any free one. Throws the system's error (`code`
   * EADDRNOTAVAIL, EADDRINUSE, EACCES ...).
   */
  open(id: number, address: HostAddress, port: number, events: LinkEvents): Link
  /** Bytes that may come before they are received, where there is such a limit. */
  receiveBufferBytes?(): number | undefined
  /** Told whenever `addresses` has changed, where the network can tell; the function returned ends it. */
  watch?(onChange: () => void): () => void
}
