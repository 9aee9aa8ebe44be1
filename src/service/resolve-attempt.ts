/**
 * Resolution of a SYN that says which of its flow's it is (src/wire/README.md, "Control"), for routers, which remember no flow:
 * what is random in the choice follows from flow and attempt, so the choices of the earlier ones are made again, and avoided.
 * Routers that know the same targets choose the same, whichever of them is asked. Where a choice depends on the moment
 * (`round-robin`, reports of loads) the later attempts still go to one after the other.
 */
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { mix } from './balance/affinity.ts'
import type { Choice } from './balance/balancer.ts'
import { pick, resolve } from './resolve.ts'
import type { ServiceTable } from './service-table.ts'
import type { ServiceTarget } from './target.ts'

/** After so many it begins again with the choice of the first: each costs as many choices as were before it. */
const CYCLE = 8
const TWO_32 = 2 ** 32

/**
 * HOT. For `Choice.uniform`, in [0, 1). `hops` that are left: routers behind each other must not all choose alike, or each would send
 * all that it gets the same way.
 */
export function uniformOfAttempt(flowId: FlowId, hops: number, attempt: number): number {
  return mix(mix(flowId) ^ ((hops << 8) | attempt)) / TWO_32
}

/** As `resolve` for what crosses a router; `choice` is made for an attempt, of which the first is 1. */
export function resolveAttempt(
  table: ServiceTable,
  id: ServiceId,
  protocol: number,
  bytes: number,
  attempt: number,
  choice: (attempt: number) => Choice,
): ServiceTarget | undefined {
  const earlier = (attempt - 1) % CYCLE
  let asked: readonly Endpoint[] = []
  const avoids = (endpoint: Endpoint) => asked.some(other => sameEndpoint(other, endpoint))
  const again = (attempt: number) => ({ ...choice(attempt), avoids, isAgain: true })
  for (let i = 1; i <= earlier; i++) {
    const target = pick(table, id, protocol, again(i), 'remote')
    if (target?.type !== 'FORWARD') break
    // Who has been asked comes again only when all have been.
    asked = avoids(target.endpoint) ? [target.endpoint] : [...asked, target.endpoint]
  }
  return resolve(table, id, protocol, bytes, earlier === 0 ? choice(1) : again(earlier + 1), 'remote')
}
