/**
 * The standard place: two network namespaces joined by a virtual Ethernet cable, MTU 1500, offloads as the kernel sets them.
 * Without root on Linux it is loopback, and the outcome says so.
 */
import { connect, namespacesLack } from '../../test/support/lab/namespace.ts'
import { LoopbackPlace } from './loopback-place.ts'
import { NamespacePlace } from './namespace-place.ts'
import type { Place } from './place.ts'

/** The programs, as built. */
const PEERS = new URL('../peers/', import.meta.url)

/** `peers`: the folder of the programs, where it is not beside this one. */
export function openPlace(peers: URL = PEERS): Place {
  if (namespacesLack() !== undefined) return new LoopbackPlace(peers)
  const place = new NamespacePlace(peers)
  connect(place.left, 'eth0', place.right, 'eth0')
  place.assignAddresses()
  return place
}
