/** Forwards a router's packets in this thread, a packet at a time: the native profile over UDP, or another core (raw-plane.ts). */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isOnLink, type Local } from '../flow/path.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { AllowList } from '../router/allow-list.ts'
import { Router } from '../router/router.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { nowMs } from './clock.ts'
import { type Core, Driver } from './driver.ts'
import type { Link, LinkEvents, Network, PacketTap } from './links/link.ts'
import { randomBytes } from './random.ts'
import type { RouterPlane, RouterPlaneEvents } from './router-plane.ts'

/** A router's core, of either profile. */
export interface ThreadCore<E> extends Core<E> {
  readonly table: ServiceTable
  readonly counters: Readonly<Record<string, number>>
  addLocal(local: Local): void
  removeLocal(localId: number): void
  /** Absent where nothing ever waits for a rule. */
  releaseDelayed?(under: ServicePrefix, nowMs: number): void
  refuseDelayed?(under: ServicePrefix, nowMs: number): void
}

export interface ThreadPlaneOptions<E> {
  readonly network: Network
  readonly core: ThreadCore<E>
  /** Filled with the router's addresses as they come and go. */
  readonly locals: Map<number, Local>
  onEvent(event: E): void
  /** A link has refused to send, with the system's code. */
  onSendError(code: string): void
  /** Whose word on a SYN's way is believed; absent: it makes no difference. */
  setKnownRouters?(endpoints: readonly string[]): void
}

export class ThreadPlane<E> implements RouterPlane {
  readonly #options: ThreadPlaneOptions<E>
  readonly #core: ThreadCore<E>
  readonly #driver: Driver<E>

  constructor(options: ThreadPlaneOptions<E>) {
    this.#options = options
    this.#core = options.core
    this.#driver = new Driver<E>(
      options.core,
      event => options.onEvent(event),
      (_link, code) => options.onSendError(code),
    )
  }

  get network(): Network {
    return this.#options.network
  }

  get linkEvents(): LinkEvents {
    return this.#driver
  }

  get table(): ServiceTable {
    return this.#core.table
  }

  get counters(): Readonly<Record<string, number>> {
    return { ...this.#core.counters, ...this.#driver.counters }
  }

  /** All is counted in `table` itself. */
  ruleCounts(): Promise<readonly []> {
    return Promise.resolve([])
  }

  async caughtUp(): Promise<void> {
    await nextTurn()
  }

  addLink(local: Local, link: Link): void {
    this.#options.locals.set(local.id, local)
    this.#driver.attach(link)
    this.#core.addLocal(local)
  }

  /** Nothing has been read yet: this thread has not come back to its event loop since the first rules. */
  begin(): void {}

  removeLink(local: Local, link: Link): void {
    this.#options.locals.delete(local.id)
    this.#core.removeLocal(local.id)
    this.#driver.detach(link)
  }

  setKnownRouters(endpoints: readonly string[]): void {
    this.#options.setKnownRouters?.(endpoints)
  }

  release(under: ServicePrefix): void {
    this.#core.releaseDelayed?.(under, nowMs())
    this.#driver.wake()
  }

  refuse(under: ServicePrefix): void {
    this.#core.refuseDelayed?.(under, nowMs())
    this.#driver.wake()
  }

  setTap(tap: PacketTap | undefined): void {
    this.#driver.tap = tap
  }

  async close(): Promise<void> {
    this.#core.refuseDelayed?.(ServicePrefix.all, nowMs())
    await this.#driver.settled()
    this.#driver.close()
  }
}

/** The native profile's. */
export function nativePlane(network: Network, allowed: AllowList, events: RouterPlaneEvents): RouterPlane {
  const locals = new Map<number, Local>()
  let knownRouters: ReadonlySet<string> = new Set()
  const core = new Router({
    randomBytes,
    allowed,
    isNear: endpoint => [...locals.values()].some(local => isOnLink(local, endpoint)),
    isKnownRouter: remote => knownRouters.has(formatEndpoint(remote)),
  })
  return new ThreadPlane({
    network,
    core,
    locals,
    onEvent: ({ serviceId }) => events.onResolve(serviceId),
    onSendError: code => events.onSendError(code),
    setKnownRouters: endpoints => {
      knownRouters = new Set(endpoints)
    },
  })
}
