/**
 * Whom a datagram socket has heard from, so that it can answer: by what came with a message, or by address and port, as
 * programs written for `node:dgram` do. The last ones are remembered.
 *
 * Where the sender's service is a port of its host, address and port are those of that service; else those of the UDP
 * socket of its process. A message of a flow is answered on that flow, wherever the flow is by then.
 */
import type { AnyFlow } from '../flow/any-flow.ts'
import { canonicalAddress } from '../id/address.ts'
import { portServiceName } from '../id/port-service.ts'
import type { IncomingDatagram } from '../sal/listener.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { RemoteInfo } from './dgram-arguments.ts'
import { socketAddress } from './socket-address.ts'

export type Peer =
  | { readonly flow: AnyFlow }
  /** `service`: a name or serviceID. */
  | { readonly service: string; readonly remote: Endpoint }

const KEPT = 1024

export class Peers {
  readonly #peers = new Map<string, Peer>()

  /** A message that belongs to no flow has come. */
  meet({ source, port, remote, payload }: IncomingDatagram): RemoteInfo {
    const service = serviceOf(port, remote) ?? source?.toString() ?? ''
    const info = { ...socketAddress({ ...remote, port: port || remote.port }), size: payload.length, service }
    this.#keep(info, { service, remote })
    return info
  }

  /** One of a flow has come. */
  meetFlow(flow: AnyFlow, size: number): RemoteInfo {
    const remote = flow.activePath?.remote ?? NOWHERE
    const port = flow.peerPort
    const service = serviceOf(port, remote) ?? ''
    const info = { ...socketAddress({ ...remote, port: port || remote.port }), size, service }
    this.#keep(info, { flow })
    return info
  }

  /** Whom `info`, or a port of an address, means; undefined: nobody that was heard from. */
  find(port: number, address: string | undefined): Peer | undefined {
    return this.#peers.get(keyOf(port, address ?? LOCALHOST))
  }

  forget(flow: AnyFlow): void {
    for (const [key, peer] of this.#peers) if ('flow' in peer && peer.flow === flow) this.#peers.delete(key)
  }

  #keep({ port, address }: RemoteInfo, peer: Peer): void {
    const key = keyOf(port, address)
    this.#peers.delete(key)
    this.#peers.set(key, peer)
    if (this.#peers.size <= KEPT) return
    for (const oldest of this.#peers.keys()) {
      this.#peers.delete(oldest)
      return
    }
  }
}

const LOCALHOST = '127.0.0.1'
const NOWHERE = { address: '0.0.0.0', port: 0 }

function keyOf(port: number, address: string): string {
  return `${port} ${address === 'localhost' ? LOCALHOST : (canonicalAddress(address) ?? address)}`
}

function serviceOf(port: number, { address }: Endpoint): string | undefined {
  return port === 0 ? undefined : portServiceName(port, address)
}
