/** Forwards a router's packets in the 2014 profile: in this thread, over raw IP. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isOnLink, type Local } from '../flow/path.ts'
import type { AllowList } from '../router/allow-list.ts'
import { Router2014 } from '../router/router-2014.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { Driver } from './driver.ts'
import type { Link, LinkEvents, Network, PacketTap } from './links/link.ts'
import { randomBytes } from './random.ts'
import type { RouterPlane, RouterPlaneEvents } from './router-plane.ts'

export class RawPlane implements RouterPlane {
  readonly network: Network
  readonly #router: Router2014
  readonly #driver: Driver<unknown>
  readonly #locals = new Map<number, Local>()

  constructor(network: Network, allowed: AllowList, events: RouterPlaneEvents) {
    this.network = network
    this.#router = new Router2014({
      randomBytes,
      allowed,
      exitTowards: remote => [...this.#locals.values()].find(local => isOnLink(local, remote))?.id,
    })
    this.#driver = new Driver<unknown>(
      this.#router,
      () => undefined,
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

  begin(): void {}

  removeLink(local: Local, link: Link): void {
    this.#locals.delete(local.id)
    this.#router.removeLocal(local.id)
    this.#driver.detach(link)
  }

  /** Whoever sends a packet on is believed. */
  setKnownRouters(): void {}

  /** Nothing waits here: DELAY is a rule of the native profile's routers. */
  release(): void {}

  refuse(): void {}

  setTap(tap: PacketTap | undefined): void {
    this.#driver.tap = tap
  }

  async close(): Promise<void> {
    await this.#driver.settled()
    this.#driver.close()
  }
}
