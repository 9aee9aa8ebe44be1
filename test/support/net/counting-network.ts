/**
 * Networks that send in another way than the one below them: they count, or they do it badly. Counts tell more than times
 * do: a slow machine takes longer for the same datagrams, a slow program takes more of them.
 */
import type { HostAddress, Link, LinkEvents, Network } from '../../../src/net/links/link.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

type Send = (link: Link, batch: TransmitBatch) => boolean

/** What has been sent: batches, each of which is a call or two where the kernel helps, and packets. */
export interface Sent {
  batches: number
  packets: number
}

/** `network`, and a count of what is sent over it. */
export function counting(network: Network): { readonly network: Network; readonly sent: Sent } {
  const sent: Sent = { batches: 0, packets: 0 }
  const send: Send = (link, batch) => {
    sent.batches++
    sent.packets += batch.packets
    return link.send(batch)
  }
  return { network: new OtherNetwork(network, send), sent }
}

/** `network`, with a fault: each packet is a batch of its own. */
export function singly(network: Network): Network {
  const single = new TransmitBatch()
  return new OtherNetwork(network, (link, batch) => {
    batch.flatten()
    single.setRoute(batch.localId, batch.remote)
    for (let at = 0; at < batch.length; at += batch.segmentBytes) {
      const end = Math.min(at + batch.segmentBytes, batch.length)
      single.buffer.set(batch.buffer.subarray(at, end))
      single.setPacket(end - at)
      link.send(single)
    }
    return true
  })
}

/** `network`, with a fault: what comes is told datagram by datagram, each in a turn of the event loop of its own. */
export function oneATurn(network: Network): Network {
  const send: Send = (link, batch) => link.send(batch)
  return new OtherNetwork(network, send, onDatagram => {
    const waiting: Parameters<OnDatagram>[] = []
    const next = () => {
      onDatagram(...waiting.shift()!)
      if (waiting.length > 0) setImmediate(next)
    }
    return (...what) => {
      if (waiting.push(what) === 1) setImmediate(next)
      return undefined
    }
  })
}

type OnDatagram = LinkEvents['onDatagram']

class OtherNetwork implements Network {
  readonly id: string
  readonly #network: Network
  readonly #send: Send
  readonly #tell: (onDatagram: OnDatagram) => OnDatagram

  constructor(network: Network, send: Send, tell = (onDatagram: OnDatagram) => onDatagram) {
    this.id = network.id
    this.#network = network
    this.#send = send
    this.#tell = tell
  }

  addresses(): readonly HostAddress[] {
    return this.#network.addresses()
  }

  receiveBufferBytes(): number | undefined {
    return this.#network.receiveBufferBytes?.()
  }

  open(id: number, address: HostAddress, port: number, events: LinkEvents): Link {
    const onDatagram = this.#tell((...what) => events.onDatagram(...what))
    const inner: Link = this.#network.open(id, address, port, {
      onDatagram: (_inner, ...what) => onDatagram(link, ...what),
      onError: (_inner, ...what) => events.onError(link, ...what),
      onDrain: () => events.onDrain(link),
    })
    const send = this.#send
    const link: Link = {
      id: inner.id,
      endpoint: inner.endpoint,
      get full() {
        return inner.full
      },
      get gathers() {
        return inner.gathers === true
      },
      get queuedBytes() {
        return inner.queuedBytes
      },
      send: batch => send(inner, batch),
      hold: isRef => inner.hold(isRef),
      close: () => inner.close(),
    }
    return link
  }
}
