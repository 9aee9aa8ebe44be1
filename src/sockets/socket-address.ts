/** Endpoints as `node:net` tells them. */
import { type Endpoint, endpointFamily } from '../wire/endpoint.ts'

export interface SocketAddressInfo {
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  readonly port: number
}

/** What `address()` gives: Node's three, and the service. */
export interface AddressInfo extends SocketAddressInfo {
  readonly service: string
}

export function socketAddress(endpoint: Endpoint): SocketAddressInfo {
  const family = endpointFamily(endpoint) === 6 ? 'IPv6' : 'IPv4'
  return { address: endpoint.address, family, port: endpoint.port }
}
