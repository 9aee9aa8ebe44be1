/** The kernel's socket addresses: struct sockaddr_in (ip(7)) and sockaddr_in6 (ipv6(7)), little-endian hosts. */
import { networkInterfaces } from 'node:os'
import { addressBytes, addressText } from '../../id/address.ts'
import { type Endpoint, endpointFamily } from '../../wire/endpoint.ts'

/** sizeof(struct sockaddr_in6), the longer of the two. */
export const SOCKET_ADDRESS_BYTES = 28

const AF_INET = 2
const AF_INET6 = 10
const IPV4_BYTES = 16

/** TypeError if the endpoint's address is none. */
export function socketAddressOf({ address, port }: Endpoint): Uint8Array {
  const bytes = addressBytes(address)
  if (bytes === undefined) throw new TypeError(`${address} is no address`)
  const isV6 = bytes.length === 16
  const view = new DataView(new ArrayBuffer(isV6 ? SOCKET_ADDRESS_BYTES : IPV4_BYTES))
  view.setUint16(0, isV6 ? AF_INET6 : AF_INET, true)
  view.setUint16(2, port)
  if (isV6) view.setUint32(24, scopeIdOf(address), true)
  const socketAddress = new Uint8Array(view.buffer)
  socketAddress.set(bytes, isV6 ? 8 : 4)
  return socketAddress
}

/** Datagrams come in runs: one value stands for all of a run. */
export class SenderRun {
  #newest: Endpoint = { address: '', port: 0 }

  endpointOf({ address, port }: Endpoint): Endpoint {
    const newest = this.#newest
    if (newest.port !== port || newest.address !== address) this.#newest = { address, port }
    return this.#newest
  }
}

/** Reads who sent what the socket at `local` received. Datagrams come in runs: one value stands for all of a run. */
export class SenderReader {
  /** Where the kernel writes it; outside of V8's heap, in which small arrays may move. */
  readonly bytes = new Uint8Array(new ArrayBuffer(SOCKET_ADDRESS_BYTES))
  readonly #last = new Uint8Array(SOCKET_ADDRESS_BYTES)
  readonly #isV6: boolean
  /** Of the socket's own address, and so of every link-local one that it hears from. */
  readonly #zone: string
  #remote: Endpoint = { address: '', port: 0 }

  constructor(local: Endpoint) {
    this.#isV6 = endpointFamily(local) === 6
    this.#zone = local.address.match(/%.*/)?.[0] ?? ''
  }

  read(): Endpoint {
    const { bytes } = this
    const last = this.#last
    let same = 0
    while (same < SOCKET_ADDRESS_BYTES && bytes[same] === last[same]) same++
    if (same === SOCKET_ADDRESS_BYTES) return this.#remote
    last.set(bytes)
    const port = (bytes[2]! << 8) | bytes[3]!
    const address = addressText(this.#isV6 ? bytes.subarray(8, 24) : bytes.subarray(4, 8))
    this.#remote = { address: address.startsWith('fe80:') ? address + this.#zone : address, port }
    return this.#remote
  }
}

/** The interface's number behind the zone of a link-local address; 0 without a zone. */
function scopeIdOf(address: string): number {
  const zone = address.split('%')[1]
  if (zone === undefined) return 0
  const known = networkInterfaces()[zone]?.find(entry => entry.family === 'IPv6' && entry.scopeid > 0)
  return known?.family === 'IPv6' ? known.scopeid : Number(zone) || 0
}
