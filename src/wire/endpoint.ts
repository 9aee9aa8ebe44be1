/** An end point of the network below: an IP address and a UDP port, as Node's dgram reports them. */
import { canonicalAddress } from '../id/address.ts'

export interface Endpoint {
  /** Dotted IPv4 or RFC 5952 IPv6, with a zone where it is link-local: `fe80::1%eth0`. */
  readonly address: string
  readonly port: number
}

export function endpoint(address: string, port: number): Endpoint {
  return { address, port }
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address
}

/** 4 or 6. */
export function endpointFamily(endpoint: { readonly address: string }): 4 | 6 {
  return endpoint.address.includes(':') ? 6 : 4
}

/** `10.0.0.1:54325`, `[fd00::7]:54325`: also the key of maps. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.address.includes(':')
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`
}

/**
 * Reads `address`, `address:port`, `v6` or `[v6]:port`; undefined if it is none of them. Host names are kept
 * as they are, for whoever resolves them. Port 0..65535; without one `defaultPort`, and without that
 * undefined.
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const bare = canonicalAddress(text)
  if (bare !== undefined) return defaultPort === undefined ? undefined : { address: bare, port: defaultPort }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  const address = match[1] === undefined ? hostOrIpv4(match[2]!) : ipv6(match[1])
  if (address === undefined || port === undefined || port > 0xffff) return undefined
  return { address, port }
}

function ipv6(text: string): string | undefined {
  return text.includes(':') ? canonicalAddress(text) : undefined
}

/** A host name has a letter in its last label: `10.0.0.300` is a mistyped address, not a name. */
function hostOrIpv4(text: string): string | undefined {
  if (HOST_NAME.test(text)) return text.toLowerCase()
  return canonicalAddress(text)
}

const HOST_NAME = /^(?:[\w-]+\.)*(?=\w*[a-z])[\w-]+$/i
