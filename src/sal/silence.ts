/**
 * What it means that nobody answers a flow. A SYN that went to a router and has to be repeated is followed by a question
 * whether the router is there: so that in the end the program hears ENOROUTER where it is not, and who was asked where it is.
 */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { SynTarget } from '../flow/flow-context.ts'
import { NO_FLOW_ID } from '../id/flow-id.ts'
import { peekEntry } from '../service/resolve.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Profile } from '../wire/profile.ts'
import type { Dialect } from './dialect.ts'
import { nameOf, type Resolver } from './resolver.ts'

export class Silence {
  readonly #profile: Profile
  readonly #table: ServiceTable
  readonly #resolver: Resolver
  readonly #routers: Pick<Dialect, 'askRouter' | 'isRouterAlive'>

  constructor(
    profile: Profile,
    table: ServiceTable,
    resolver: Resolver,
    routers: Pick<Dialect, 'askRouter' | 'isRouterAlive'>,
  ) {
    this.#profile = profile
    this.#table = table
    this.#resolver = resolver
    this.#routers = routers
  }

  /** Where the next SYN of a flow goes: the one before, if there was one, stayed unanswered. */
  nextInstance(flow: AnyFlow, nowMs: number): SynTarget {
    const isRepeat = this.#resolver.isUnanswered(flow, nowMs)
    const target = this.#resolver.next(flow, nowMs)
    const isRoute = typeof target === 'object' && 'remote' in target
    const isByRule = isRoute && target.remote === this.#resolver.targetOf(flow)
    if (isRepeat && isByRule && this.#goesToRouter(flow)) {
      this.#routers.askRouter(target.local, target.remote)
    }
    return target
  }

  /** What the program is told when set-up, or the peer, has been silent for too long. */
  timeoutError(flow: AnyFlow, nowMs: number): ServalError {
    const asked = this.#resolver.targetOf(flow)
    const service = nameOf(flow)
    const place = asked && this.#profile.formatPlace(asked)
    if (flow.peerFlowId !== NO_FLOW_ID) return new ServalError('ETIMEDOUT', { service, syscall: 'read' })
    if (asked && this.#goesToRouter(flow) && !this.#routers.isRouterAlive(asked, nowMs)) {
      return new ServalError('ENOROUTER', {
        service,
        tried: `router ${place}`,
        syscall: 'connect',
      })
    }
    const subnets = this.#resolver.broadcastsOf(flow).map(({ address }) => address)
    if (subnets.length > 0) {
      const asked = `all hosts at ${subnets.join(' and ')}, and none answered`
      return new ServalError('ENOSERVICE', { service, asked, syscall: 'connect' })
    }
    const who =
      asked && this.#goesToRouter(flow)
        ? `nobody answered by way of router ${place}`
        : `${place} did not answer`
    const message = place && `connect ETIMEDOUT ${service}: ${who}`
    return new ServalError('ETIMEDOUT', { service, syscall: 'connect', ...(message && { message }) })
  }

  /** Routers stand behind prefixes; only instances behind whole serviceIDs. */
  #goesToRouter(flow: AnyFlow): boolean {
    const entry = peekEntry(this.#table, flow.service, flow.protocol)
    return entry?.bits === 0 && entry.peek(flow.protocol, 'any') === 'FORWARD'
  }
}
