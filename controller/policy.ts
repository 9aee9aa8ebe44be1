/**
 * Which rules go to whom, and by which addresses: routers get every registration, hosts what they ask for,
 * and each is told the endpoints that it can reach, the nearest first.
 */
import { MAX_ROUTERS } from '../src/control/fields.ts'
import { isSameNetwork } from '../src/control/host-network.ts'
import type { ControlRule, RouterInfo } from '../src/control/messages.ts'
import { addressBytes, isLoopback } from '../src/id/address.ts'
import type { SharingPolicy } from '../src/service/balance/sharing.ts'
import { type Endpoint, endpointFamily, sameEndpoint } from '../src/wire/endpoint.ts'
import type { Member, Registration } from './registry.ts'

/** The rule by which `receiver` reaches an instance; undefined if it cannot, or if it is the instance. */
export function ruleFor(
  { name, prefix, instance, weight, priority, shares }: Registration,
  owner: Member,
  receiver: Member,
  sharing?: SharingPolicy,
): ControlRule | undefined {
  const endpoints = instance === receiver.instance ? [] : reachableEndpoints(owner, receiver)
  if (endpoints.length === 0) return undefined
  const rule = { name, prefix, instance, endpoints, weight, priority, ...(shares && { shares }) }
  return sharing === undefined ? rule : { ...rule, sharing }
}

/** The routers that `receiver` can reach, itself left out; as many as one message takes. */
export function routersFor(members: Iterable<Member>, receiver: Member): RouterInfo[] {
  const routers: RouterInfo[] = []
  for (const member of members) {
    if (routers.length === MAX_ROUTERS) break
    if (member.kind !== 'router' || member.instance === receiver.instance) continue
    const endpoints = reachableEndpoints(member, receiver)
    const name = `${member.program} on ${member.hostName} (pid ${member.pid})`
    if (endpoints.length > 0) routers.push({ instance: member.instance, name, endpoints })
  }
  return routers
}

/**
 * The endpoints of `owner` at which `receiver` may reach it: those of its own network, loopback addresses only on the same host.
 * Nearest first: by the longest prefix in common with an address of the receiver (RFC 6724 rule 9); then
 * loopback last, since what is sent there from elsewhere on this host cannot be answered from there to others.
 */
export function reachableEndpoints(owner: Member, receiver: Member): Endpoint[] {
  if (!isSameNetwork(owner.hostId, receiver.hostId)) return []
  const isSameHost = owner.hostId !== '' && owner.hostId === receiver.hostId
  return owner.endpoints
    .filter(({ address }) =>
      isSameHost ? !isUnusable(address) : !isUnusable(address) && !isLoopback(address),
    )
    .map(endpoint => ({ endpoint, nearness: nearness(endpoint, receiver.endpoints) }))
    .sort(
      (a, b) =>
        b.nearness - a.nearness ||
        Number(isLoopback(a.endpoint.address)) - Number(isLoopback(b.endpoint.address)),
    )
    .map(({ endpoint }) => endpoint)
}

/** Of the endpoints of an instance that is gone, those that no living one has taken over. */
export function exclusiveEndpoints(gone: Member, living: Iterable<Member>): Endpoint[] {
  let left = [...gone.endpoints]
  for (const member of living) {
    left = left.filter(endpoint => {
      // The same loopback address on another host is another address.
      if (isLoopback(endpoint.address) && member.hostId !== gone.hostId) return true
      return !member.endpoints.some(other => sameEndpoint(other, endpoint))
    })
  }
  return left
}

/** Unspecified, or link-local: that needs a zone, which means nothing to another host. */
function isUnusable(address: string): boolean {
  return address === '0.0.0.0' || address === '::' || /^fe[89ab]/i.test(address)
}

/** Bits in common with the nearest address of its family, IPv6 by halves: a whole /64 is as near as a /32. */
function nearness(endpoint: Endpoint, others: readonly Endpoint[]): number {
  const family = endpointFamily(endpoint)
  let best = 0
  for (const other of others) {
    if (endpointFamily(other) !== family) continue
    const bits = commonBits(addressBytes(endpoint.address)!, addressBytes(other.address)!)
    best = Math.max(best, family === 4 ? bits : Math.min(bits, 64) / 2)
  }
  return best
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24
  }
  return 8 * a.length
}
