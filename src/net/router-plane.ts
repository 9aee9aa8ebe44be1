/**
 * What forwards a router's packets, as the shell around it sees it: this thread, a packet at a time (`ThreadPlane`), or
 * workers that take many with one system call (engine/engine-plane.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isOnLink, type Local } from '../flow/path.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { AllowList } from '../router/allow-list.ts'
import { Router, type RouterEvent } from '../router/router.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { nowMs } from './clock.ts'
import { Driver } from './driver.ts'
import type { Link, LinkEvents, Network, PacketTap } from './links/link.ts'
import { randomBytes } from './random.ts'
import type { EntryCounts } from './rule-status.ts'

export interface RouterPlaneEvents {
  /** Packets wait for somebody to find out who serves this: then `release` or `refuse` it. */
  onResolve(serviceId: ServiceId): void
  /** A link has refused to send, with the system's code. */
  onSendError(code: string): void
}

export interface RouterPlane {
  /** Where its links come from, and what they tell. */
  readonly network: Network
  readonly linkEvents: LinkEvents
  /** What it routes by. After a change of it: `release`. */
  readonly table: ServiceTable
  /** Packets by what became of them. */
  readonly counters: Readonly<Record<string, number>>
  /** What each of those who forward beside `table` has counted for these prefixes, by rules and targets. */
  ruleCounts(prefixes: readonly ServicePrefix[]): Promise<readonly (readonly (EntryCounts | undefined)[])[]>
  /** Resolves when those who forward beside `table` have made its changes so far; packets were served meanwhile. */
  caughtUp(): Promise<void>
  addLink(local: Local, link: Link): void
  /** The table has the rules that it begins with: what waits in the sockets, as those of a router that is replaced, may go on. */
  begin(): void
  removeLink(local: Local, link: Link): void
  /** What these say of a SYN's way is believed: endpoints as text. */
  setKnownRouters(endpoints: readonly string[]): void
  /** Lets go what waits under a prefix and no DELAY rule holds any more. */
  release(under: ServicePrefix): void
  /** Answers what waits under a prefix that nobody serves it. */
  refuse(under: ServicePrefix): void
  /** Who looks on at what comes and goes; undefined: nobody any more. */
  setTap(tap: PacketTap | undefined): void
  /** Ends, once all that it has received is on its way; the links close then. */
  close(): Promise<void>
}

export class ThreadPlane implements RouterPlane {
  readonly network: Network
  readonly #router: Router
  readonly #driver: Driver<RouterEvent>
  readonly #locals = new Map<number, Local>()
  #knownRouters: ReadonlySet<string> = new Set()

  constructor(network: Network, allowed: AllowList, events: RouterPlaneEvents) {
    this.network = network
    this.#router = new Router({
      randomBytes,
      allowed,
      isNear: endpoint => [...this.#locals.values()].some(local => isOnLink(local, endpoint)),
      isKnownRouter: remote => this.#knownRouters.has(formatEndpoint(remote)),
    })
    this.#driver = new Driver<RouterEvent>(
      this.#router,
      ({ serviceId }) => events.onResolve(serviceId),
      (_link, code) => events.onSendError(code),
    )
  }

  get linkEvents(): LinkEvents {
    return this.#driver
  }

  get table(): ServiceTable {
    return this.#router.table
  }

  get counters(): Readonly<Record<string, number>> {
    return { ...this.#router.counters, ...this.#driver.counters }
  }

  /** All is counted in `table` itself. */
  ruleCounts(): Promise<readonly []> {
    return Promise.resolve([])
  }

  async caughtUp(): Promise<void> {
    await nextTurn()
  }

  addLink(local: Local, link: Link): void {
    this.#locals.set(local.id, local)
    this.#driver.attach(link)
    this.#router.addLocal(local)
  }

  /** Nothing has been read yet: this thread has not come back to its event loop since the first rules. */
  begin(): void {}

  removeLink(local: Local, link: Link): void {
    this.#locals.delete(local.id)
    this.#router.removeLocal(local.id)
    this.#driver.detach(link)
  }

  setKnownRouters(endpoints: readonly string[]): void {
    this.#knownRouters = new Set(endpoints)
  }

  release(under: ServicePrefix): void {
    this.#router.releaseDelayed(under, nowMs())
    this.#driver.wake()
  }

  refuse(under: ServicePrefix): void {
    this.#router.refuseDelayed(under, nowMs())
    this.#driver.wake()
  }

  setTap(tap: PacketTap | undefined): void {
    this.#driver.tap = tap
  }

  async close(): Promise<void> {
    this.#router.refuseDelayed(ServicePrefix.all, nowMs())
    await this.#driver.settled()
    this.#driver.close()
  }
}
