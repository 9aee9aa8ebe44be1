/**
 * The simulated world: hosts, routers and links on one virtual clock, with one seeded generator for everything random.
 * The same seed and the same calls give the same packets, bit for bit.
 *
 *     const world = simulate(seed)
 *     const net = world.link('net', { delayMs: 10, loss: 0.02 })
 *     const server = world.host('server', net)
 *     const client = world.host('client', net).knows('files.example', server)
 *     server.listen('files.example', flow => flow.send(1 << 20).end())
 *     const download = client.connect('files.example')
 *     world.runUntil(() => download.isEnded, 60_000)
 *
 * Invariants are checked after every step; a broken one is thrown out of `run`.
 */
import type { AnyFlow } from '../../../src/flow/any-flow.ts'
import type { FlowState } from '../../../src/flow/states.ts'
import type { DialectKind } from '../../../src/sal/dialect.ts'
import { native } from '../../../src/sal/native-dialect.ts'
import { type Endpoint, formatEndpoint } from '../../../src/wire/endpoint.ts'
import { RAW_PORT } from '../../../src/wire/raw-ip.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { Random } from '../random.ts'
import { summarize } from './describe-packet.ts'
import { EventQueue } from './event-queue.ts'
import { Bystander } from './forge.ts'
import { InvariantViolation } from './invariant-violation.ts'
import { Invariants } from './invariants.ts'
import { Link, type LinkOptions } from './link.ts'
import { Network, type Packet, type Port } from './network.ts'
import type { SimNode } from './node.ts'
import type { SimFlow } from './sim-flow.ts'
import { type HostOptions, type HostWorld, SimHost } from './sim-host.ts'
import { SimRouter } from './sim-router.ts'
import { Tracer } from './tracer.ts'

export interface WorldOptions {
  /** Whether packets are traced; costs time. Default false. */
  readonly trace?: boolean
  /** Whether flows keep SHA-256 of what they write and read; costs time. Default false. */
  readonly hashes?: boolean
  /** What its hosts speak. Default: native. In `dialect2014` packets are IP's own, and invariants that read packets are not checked. */
  readonly dialect?: DialectKind | undefined
}

export function simulate(seed: number, options: WorldOptions = {}): World {
  return new World(seed, options)
}

const INSPECTED_FLOWS = 8

/** So much at one instant means that time stands still. */
const STEPS_AT_ONCE = 100_000

export class World implements HostWorld {
  readonly seed: number
  readonly random: Random
  readonly queue = new EventQueue()
  readonly network: Network
  readonly batch = new TransmitBatch()
  readonly invariants = new Invariants()
  readonly hosts: SimHost[] = []
  readonly routers: SimRouter[] = []
  readonly links: Link[] = []
  readonly tracer: Tracer | undefined
  readonly hashes: boolean
  readonly dialect: DialectKind
  #addresses = 0
  #inspections = 0

  constructor(seed: number, { trace = false, hashes = false, dialect = native }: WorldOptions) {
    this.seed = seed
    this.hashes = hashes
    this.dialect = dialect
    this.random = new Random(seed)
    this.network = new Network(this.queue, this.random)
    if (dialect === native) this.network.watchers.push(this.invariants)
    if (trace) {
      this.tracer = new Tracer(this.queue, this.network)
      this.network.watchers.unshift(this.tracer)
    }
  }

  get nowMs(): number {
    return this.queue.nowMs
  }

  // ---- what there is ------------------------------------------------------------------------------------------

  link(name: string, options: Partial<LinkOptions> = {}): Link {
    const link = new Link(name, this.random, options)
    this.links.push(link)
    return link
  }

  /** A host with an address on each of the links. */
  host(name: string, links: Link | readonly Link[], options: HostOptions = {}): SimHost {
    const host = new SimHost(name, links instanceof Link ? [links] : links, this, options)
    this.hosts.push(host)
    return host
  }

  router(name: string, link: Link): SimRouter {
    const router = new SimRouter(name, link, this)
    this.routers.push(router)
    return router
  }

  /** An address where no stack answers. */
  bystander(name: string, link: Link): { readonly node: Bystander; readonly port: Port } {
    const node = new Bystander(name)
    return { node, port: this.network.attach(node, this.nextEndpoint(link), link, name) }
  }

  // ---- time -----------------------------------------------------------------------------------------------------

  /** Lets `ms` pass. */
  run(ms: number): void {
    const until = this.nowMs + ms
    this.#runWhile(() => this.queue.nextAt <= until)
    this.queue.idleUntil(until)
  }

  /** Runs until `done`; whether it was within `limitMs`. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const until = this.nowMs + limitMs
    this.#runWhile(() => !done() && this.queue.nextAt <= until)
    return done()
  }

  /** The liveness phase: faults end, and within `limitMs` everything must be `done`. */
  settle(done: () => boolean, limitMs: number): void {
    for (const link of this.links) link.heal()
    if (this.runUntil(done, limitMs)) return
    const flows = this.hosts.flatMap(host => host.flows.map(flow => `${host.name} ${outline(flow)}`))
    throw new InvariantViolation('stuck', `not done ${limitMs} ms after all was well: ${flows.join('; ')}`)
  }

  /** Calls `run` in `ms`. */
  after(ms: number, run: () => void): void {
    this.queue.at(this.nowMs + ms, run)
  }

  // ---- meddling --------------------------------------------------------------------------------------------------

  /** Loses the next `count` packets whose summary begins with `text`, such as `server > client SYN+ACK`. */
  lose(text: string, count = 1): void {
    this.intercept(text, () => undefined, count)
  }

  /** Takes the next `count` such packets off the wire and gives them to `take`, who may `inject` them again. */
  intercept(text: string, take: (packet: Packet) => void, count = 1): void {
    let left = count
    this.network.interceptors.push(packet => {
      if (left === 0 || !this.summaryOf(packet).startsWith(text)) return false
      left--
      take(packet)
      return true
    })
  }

  /** Puts a packet on the wire. */
  inject(packet: Packet, delayMs = 0): void {
    this.network.inject(packet, delayMs)
  }

  summaryOf({ from, to, bytes }: Packet): string {
    return `${from.label} > ${this.network.find(to)?.label ?? formatEndpoint(to)} ${summarize(bytes)}`
  }

  /** What has gone over the wire since the last call, one line a packet: `client > server SYN`. */
  exchange(): string[] {
    return this.tracer?.take().map(({ summary }) => summary) ?? []
  }

  /** The same with the times, in whole milliseconds since `sinceMs`: `1000 client > server SYN`. */
  timeline(sinceMs = 0): string[] {
    return this.tracer?.take().map(({ atMs, summary }) => `${Math.round(atMs - sinceMs)} ${summary}`) ?? []
  }

  // ---- what nodes tell ---------------------------------------------------------------------------------------------

  nextEndpoint(link: Link): Endpoint {
    const number = ++this.#addresses
    const port = this.dialect.profile.name === '2014' ? RAW_PORT : 40_000 + number
    return { address: `10.0.${this.links.indexOf(link)}.${number}`, port }
  }

  handleFlow(flow: SimFlow): void {
    this.invariants.handleFlow(flow)
  }

  handleState(host: SimHost, flow: AnyFlow, from: FlowState, to: FlowState): void {
    this.invariants.handleState(host, flow, from, to)
  }

  /** All flows of a small world after every step; of a large one some, in turn. */
  inspect(node: SimNode): void {
    if (!(node instanceof SimHost)) return
    const { flows, sal } = node
    for (let i = 0; i < Math.min(flows.length, INSPECTED_FLOWS); i++) {
      const flow = flows[this.#inspections++ % flows.length]!
      this.invariants.checkPrefix(flow)
      this.invariants.checkQueues(node, flow.flow.queues)
    }
    this.invariants.checkQueues(node, sal.queues)
  }

  #runWhile(goesOn: () => boolean): void {
    let at = this.nowMs
    let steps = 0
    while (goesOn() && this.queue.step()) {
      if (this.nowMs !== at) {
        at = this.nowMs
        steps = 0
      } else if (++steps > STEPS_AT_ONCE) {
        throw new InvariantViolation('livelock', `${STEPS_AT_ONCE} steps at ${at} ms`)
      }
    }
  }
}

function outline(flow: SimFlow): string {
  const { migrationState } = flow.flow.info()
  return `${flow.flow.role} ${flow.state} ${migrationState}, sent ${flow.sentBytes} (${flow.flow.bufferedBytes} unacknowledged), read ${flow.receivedBytes}`
}
