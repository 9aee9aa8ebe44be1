/** A host of the simulated network: a Sal with its addresses, and programs that connect and listen. */

import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import type { FlowOptions } from '../../../src/flow/flow.ts'
import type { FlowLimits } from '../../../src/flow/flow-context.ts'
import type { Local } from '../../../src/flow/path.ts'
import type { FlowState } from '../../../src/flow/states.ts'
import { serviceIdOf } from '../../../src/id/name.ts'
import { parsePortService } from '../../../src/id/port-service.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import type { DialectKind } from '../../../src/sal/dialect.ts'
import type { IncomingDatagram, Listener } from '../../../src/sal/listener.ts'
import { Sal } from '../../../src/sal/sal.ts'
import type { TraceProbe } from '../../../src/sal/tracer.ts'
import type { Rule } from '../../../src/service/rule.ts'
import type { CongestionName } from '../../../src/transport/congestion/congestion.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { type Protocol, protocols } from '../../../src/wire/sal-header.ts'
import type { Random } from '../random.ts'
import type { Link } from './link.ts'
import type { Port } from './network.ts'
import { SimNode, type Surroundings } from './node.ts'
import { SimDatagrams } from './sim-datagrams.ts'
import { SimFlow } from './sim-flow.ts'

export interface HostOptions {
  readonly limits?: Partial<FlowLimits>
  /** Default: cubic. */
  readonly congestion?: CongestionName
  /** Datagrams that come within so long are handed over merged, as UDP_GRO does; default: one by one. */
  readonly mergeMs?: number
}

/** What hosts tell their world. */
export interface HostWorld extends Surroundings {
  readonly random: Random
  readonly hashes: boolean
  readonly dialect: DialectKind
  nextEndpoint(link: Link): { address: string; port: number }
  handleFlow(flow: SimFlow): void
  handleState(host: SimHost, flow: AnyFlow, from: FlowState, to: FlowState): void
}

export class SimHost extends SimNode {
  readonly sal: Sal
  readonly flows: SimFlow[] = []
  /** Flows of datagrams that were accepted here. */
  readonly peers: SimDatagrams[] = []
  /** serviceIDs that a DELAY rule has asked about. */
  readonly questions: string[] = []
  /** What became of datagrams that had to wait: `sent`, or a code. */
  readonly outcomes: string[] = []
  protected readonly core: Sal
  readonly #world: HostWorld
  readonly #locals = new Map<number, { -readonly [K in keyof Local]: Local[K] }>()
  #attached = 0

  constructor(name: string, links: readonly Link[], world: HostWorld, options: HostOptions = {}) {
    super(name, world, options.mergeMs)
    this.#world = world
    this.sal = new Sal({
      dialect: world.dialect,
      randomBytes: world.random.bytes,
      ...(options.limits ? { limits: options.limits } : {}),
      ...(options.congestion ? { congestion: options.congestion } : {}),
      trace: (flow, from, to) => world.handleState(this, flow, from, to),
    })
    this.core = this.sal
    for (const link of links) this.attach(link)
  }

  get hashes(): boolean {
    return this.#world.hashes
  }

  // ---- addresses --------------------------------------------------------------------------------------------

  /** Gives the host one more address, on `link`. */
  attach(link: Link): Port {
    const endpoint = this.#world.nextEndpoint(link)
    const label = this.#attached++ === 0 ? this.name : `${this.name}/${link.name}`
    const port = this.#world.network.attach(this, endpoint, link, label)
    this.ports.set(port.id, port)
    const local = { id: port.id, endpoint, prefixBits: 24, mtu: link.options.mtu }
    this.#locals.set(port.id, local)
    this.sal.addLocal(local, this.nowMs)
    this.wake()
    return port
  }

  /** Takes an address away; the stack hears of it `noticedAfterMs` later. */
  detach(port: Port, noticedAfterMs = 0): void {
    this.#world.network.detach(port)
    const notice = () => {
      this.sal.removeLocal(port.id, this.nowMs)
      this.ports.delete(port.id)
      this.wake()
    }
    if (noticedAfterMs === 0) notice()
    else this.#world.queue.at(this.nowMs + noticedAfterMs, notice)
  }

  /** The interface of an address takes other packets from now on, and the stack has seen it. */
  resize(port: Port, mtu: number): void {
    const local = this.#locals.get(port.id)!
    local.mtu = mtu
    this.sal.localChanged(local)
    this.wake()
  }

  /** The system refuses a packet to `remote` as too long for the interface that it would leave by. */
  refuse(port: Port, remote: Endpoint): void {
    this.sal.handleSendError('EMSGSIZE', port.id, remote)
    this.wake()
  }

  /** The addresses that it has. */
  get attached(): Port[] {
    return [...this.ports.values()].filter(port => this.#world.network.isAttached(port))
  }

  /** Moves a flow to another address of this host's. */
  migrate(flow: SimFlow | SimDatagrams, port: Port): void {
    this.sal.migrate(flow.flow, port.id, this.nowMs)
    this.wake()
  }

  // ---- services ---------------------------------------------------------------------------------------------

  /** Asks `router` for what it does not know itself, and believes its ROUTE. */
  use(...routers: readonly { readonly endpoint: Endpoint }[]): this {
    const endpoints = routers.map(router => router.endpoint)
    const targets = endpoints.map(endpoint => ({ endpoint }))
    this.sal.serviceTable.insert(ServicePrefix.all, { type: 'FORWARD', targets }, { source: 'config' })
    this.sal.trustRouters(endpoints)
    return this
  }

  /** Adds a rule for a name. */
  rule(service: string, rule: Rule): void {
    this.sal.serviceTable.insert(new ServicePrefix(serviceIdOf(service), 256), rule, { source: 'user' })
    this.sal.resolved(new ServicePrefix(serviceIdOf(service), 256), this.nowMs)
    this.wake()
  }

  /** Knows where `service` is, without a router. */
  knows(service: string, ...hosts: readonly SimHost[]): this {
    const targets = hosts.map(host => ({ endpoint: host.attached[0]!.endpoint }))
    this.rule(service, { type: 'FORWARD', targets })
    return this
  }

  listen(service: string, onFlow: (flow: SimFlow) => void = () => undefined, backlog?: number): Listener {
    const listener = this.sal.listen({ serviceId: serviceIdOf(service), name: service, backlog })
    listener.owner = onFlow
    return listener
  }

  /** Takes datagrams for a service; those without a flow are handed to `onMessage`. */
  bind(service: string, onMessage: (message: IncomingDatagram) => void = () => undefined): Listener {
    const listener = this.sal.listen({
      serviceId: serviceIdOf(service),
      name: service,
      protocol: protocols.DATAGRAM,
      port: parsePortService(service)?.port,
    })
    listener.owner = onMessage
    return listener
  }

  /** Sends a datagram without a flow; `remote`: where the service is, where it is known. */
  send(from: Listener, service: string, payload: Uint8Array, remote?: Endpoint): ReturnType<Sal['send']> {
    const outcome = this.sal.send(
      { from, payload, serviceId: serviceIdOf(service), name: service, remote },
      this.nowMs,
    )
    this.wake()
    return outcome
  }

  connect(service: string, options: Partial<Pick<FlowOptions, 'timeoutMs'>> = {}): SimFlow {
    const flow = this.sal.connect({ serviceId: serviceIdOf(service), name: service, ...options }, this.nowMs)
    this.wake()
    return this.#adopt(flow)
  }

  /** A flow of datagrams. */
  connectDatagrams(service: string, port?: number): SimDatagrams {
    const target = { serviceId: serviceIdOf(service), name: service, protocol: protocols.DATAGRAM, port }
    const flow = this.sal.connect(target, this.nowMs)
    this.wake()
    return new SimDatagrams(this, flow)
  }

  /** Sends a SYN that finds out who comes next after `hops` routers; what comes of it is in `outcome`. */
  trace(service: string, hops: number, timeoutMs = 1000, protocol: Protocol = protocols.STREAM): TraceProbe {
    const probe = this.sal.trace(
      { serviceId: serviceIdOf(service), name: service, hops, timeoutMs, protocol },
      this.nowMs,
    )
    this.wake()
    return probe!
  }

  protected override drainEvents(): void {
    for (let event = this.sal.pollEvent(); event; event = this.sal.pollEvent()) {
      switch (event.type) {
        case 'accept': {
          if (event.flow.protocol === protocols.DATAGRAM) {
            this.peers.push(new SimDatagrams(this, event.flow))
            break
          }
          const flow = this.#adopt(event.flow)
          flow.handleAccepted()
          const onFlow = event.listener.owner as (flow: SimFlow) => void
          onFlow(flow)
          break
        }
        case 'flow':
          if (event.flow.owner instanceof SimFlow || event.flow.owner instanceof SimDatagrams) {
            event.flow.owner.handleSignals(event.signals)
          }
          break
        case 'messages': {
          const onMessage = event.listener.owner as (message: IncomingDatagram) => void
          for (let next = event.listener.inbox.take(); next; next = event.listener.inbox.take())
            onMessage(next)
          break
        }
        case 'sent':
          this.outcomes.push(event.error?.code ?? 'sent')
          break
        case 'resolve':
          this.questions.push(event.name ?? event.serviceId.toString())
      }
    }
  }

  #adopt(flow: AnyFlow): SimFlow {
    const simFlow = new SimFlow(this, flow)
    this.flows.push(simFlow)
    this.#world.handleFlow(simFlow)
    return simFlow
  }
}
