/** Who takes what comes for services of this stack: its listeners, and the DEMUX rules that lead to them. */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { QueueSize } from '../flow/queue-size.ts'
import type { ServiceId } from '../id/service-id.ts'
import { ServicePrefix } from '../id/service-prefix.ts'
import type { Choice } from '../service/balance/balancer.ts'
import { peekType, resolve } from '../service/resolve.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import type { Protocol } from '../wire/sal-header.ts'
import { DEFAULT_BACKLOG, Listener } from './listener.ts'

export interface ListenOptions {
  readonly serviceId: ServiceId
  readonly name?: string | undefined
  /** Other serviceIDs that lead to the same listener. */
  readonly aliases?: readonly ServiceId[] | undefined
  /** Half-open flows at once; default 511. */
  readonly backlog?: number | undefined
  readonly congestion?: CongestionName | undefined
  /** What its flows carry; a listener of datagrams takes those without a flow, too. Default: streams. */
  readonly protocol?: Protocol | undefined
  /** The number that stands for the service, where that is a port of this host. */
  readonly port?: number | undefined
}

export class Listeners {
  readonly #table: ServiceTable
  readonly #choice: (serviceId: ServiceId, nowMs: number) => Choice
  readonly #byId = new Map<number, Listener>()
  #nextId = 1

  /** `choice`: by what one of several listeners of a service is chosen. */
  constructor(table: ServiceTable, choice: (serviceId: ServiceId, nowMs: number) => Choice) {
    this.#table = table
    this.#choice = choice
  }

  /** What peers make them keep. */
  get queues(): readonly QueueSize[] {
    const all = [...this.#byId.values()]
    return [
      ...all.map(({ halfOpen, backlog }) => ({ name: 'half-open flows', size: halfOpen, limit: backlog })),
      ...all.map(({ inbox }) => ({ name: 'datagrams to read', size: inbox.size, limit: inbox.limits.items })),
    ]
  }

  /** Throws EADDRINUSE where this stack has a listener of that kind for the service. */
  open(options: ListenOptions): Listener {
    const { serviceId, name, aliases = [], backlog = DEFAULT_BACKLOG, ...rest } = options
    const id = this.#nextId++
    const listener = new Listener({ ...rest, id, serviceIds: [serviceId, ...aliases], name, backlog })
    const rule = { type: 'DEMUX', listenerId: id, protocol: listener.protocol } as const
    const origin = { source: 'local', owner: String(id), ...(name === undefined ? {} : { name }) } as const
    try {
      for (const id of listener.serviceIds) this.#table.insert(new ServicePrefix(id, 256), rule, origin)
    } catch (error) {
      this.#removeRules(listener)
      throw error
    }
    this.#byId.set(id, listener)
    return listener
  }

  /** Nothing leads to it any more; false: nothing did. */
  close(listener: Listener): boolean {
    if (!this.#byId.delete(listener.id)) return false
    this.#removeRules(listener)
    return true
  }

  byId(id: number): Listener | undefined {
    return this.#byId.get(id)
  }

  /** Who takes packets of `bytes` for a service. */
  find(serviceId: ServiceId, protocol: number, bytes: number, nowMs: number): Listener | undefined {
    const target = resolve(this.#table, serviceId, protocol, bytes, this.#choice(serviceId, nowMs), 'local')
    return target?.type === 'DEMUX' ? this.#byId.get(target.listenerId) : undefined
  }

  /** Whether anybody does. */
  take(serviceId: ServiceId, protocol: number): boolean {
    return peekType(this.#table, serviceId, protocol, 'local') === 'DEMUX'
  }

  #removeRules({ id }: Listener): void {
    this.#table.removeEverywhere({ source: 'local', owner: String(id) })
  }
}

/** A flow that its listener has accepted is open. */
export function countOpen(flow: AnyFlow, listener: Listener): void {
  flow.countedBy = listener
  listener.flows++
}

/** It is over, or about to be forgotten. */
export function countOver(flow: AnyFlow): void {
  if (flow.countedBy === undefined) return
  flow.countedBy.flows--
  flow.countedBy = undefined
}
