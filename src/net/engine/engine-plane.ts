/**
 * A router's packets forwarded by workers, one a core: each has a socket of its own at every address of the router
 * (SO_REUSEPORT: the kernel shares what comes among them, always the same for one sender) and a service table of its
 * own, which this thread feeds (published-table.ts). Statistics are numbers in shared memory, written by one worker each and
 * summed by whoever reads them.
 *
 * A router that starts may take part in the sockets of one that runs (`takeOver`); and one that ends first leaves its
 * sockets to the others, then forwards what it has received. What one has noted in ROUTE the other knows for its own
 * (succession.ts), since answers come to either. So a router is replaced without a SYN or an answer being lost.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Local } from '../../flow/path.ts'
import { ServiceId } from '../../id/service-id.ts'
import { ServicePrefix } from '../../id/service-prefix.ts'
import { newRouterCounters } from '../../router/counters.ts'
import { ROUTE_SECRET_BYTES } from '../../router/route-mac.ts'
import type { ServiceTable } from '../../service/service-table.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { atExit } from '../at-exit.ts'
import { clockZeroMs } from '../clock.ts'
import { warnOfEnd } from '../links/capture.ts'
import type { HostAddress, Link, LinkEvents, Network, PacketTap } from '../links/link.ts'
import { UdpNetwork } from '../links/udp-network.ts'
import { randomBytes } from '../random.ts'
import type { RouterPlane, RouterPlaneEvents } from '../router-plane.ts'
import type { Succession } from '../status.ts'
import type { MessageCalls } from './message-calls.ts'
import { PublishedTable } from './published-table.ts'
import { makeNicer, presentThreads } from './thread-order.ts'
import {
  type Change,
  type FromWorker,
  type Prefix,
  packPrefix,
  type RuleCounts,
  type SeenPacket,
  type ToWorker,
  type WorkerStart,
} from './worker-messages.ts'

const ENTRY = new URL('./worker.js', import.meta.url)
/** As a worker writes them. */
const COUNTERS = [...Object.keys(newRouterCounters()), 'linkFull', 'sendErrors']
/** Changes that a worker makes in one go: some 100 us. */
const CHANGES_PER_MESSAGE = 16
/** Entries whose counters a worker reads in one go: about as long. */
const ENTRIES_PER_QUESTION = 32

export interface EngineOptions {
  readonly calls: MessageCalls
  readonly workers: number
  /** Subnets that may send; none: all. */
  readonly allowed: readonly string[]
  /** Whether another router of this user may have the same addresses: it is about to go. */
  readonly takeOver: boolean
  /** A capture that workers may share (`newSharedCapture`); undefined: none. */
  readonly capture: string | undefined
  readonly events: RouterPlaneEvents
}

/** Of all workers the same. */
type CommonStart = Pick<WorkerStart, 'timeOrigin' | 'routeSecret' | 'allowed' | 'capture'>

interface WorkerHandle {
  readonly worker: Worker
  readonly port: MessagePort
  readonly posted: Int32Array
  readonly counters: Float64Array
  readonly bell: number
  readonly ended: Promise<void>
}

export class EnginePlane implements RouterPlane {
  readonly network: EngineNetwork
  readonly linkEvents: LinkEvents = {
    onDatagram: () => undefined,

    onError() {},
    onDrain() {},
  }
  readonly table: ServiceTable
  readonly #calls: MessageCalls
  readonly #events: RouterPlaneEvents
  readonly #workers: readonly WorkerHandle[]
  #changes: Change[] = []
  #hasBegun = false
  /** What was asked of workers and is not answered yet. */
  readonly #questions = new Map<number, (counts: RuleCounts) => void>()
  #lastQuestion = 0
  #tap: PacketTap | undefined
  /** Where it is written as yet. */
  #capture: string | undefined
  readonly #forget: () => void
  #succession: Succession
  #isClosing = false
  #hasEnded = false

  constructor({ calls, workers, allowed, takeOver, capture, events }: EngineOptions) {
    this.#calls = calls
    this.#capture = capture
    this.#events = events
    this.network = new EngineNetwork(calls, workers, takeOver)
    this.table = new PublishedTable(change => this.#publish(change))
    const routeSecret = randomBytes(ROUTE_SECRET_BYTES)
    this.#succession = { routeSecret: Buffer.from(routeSecret).toString('hex'), zeroMs: clockZeroMs() }
    const start = { timeOrigin: performance.timeOrigin, routeSecret, allowed, capture }
    const others = presentThreads()
    this.#workers = Array.from({ length: workers }, () => this.#startWorker(start))
    // Now, as workers begin as nice as the thread that starts them.
    makeNicer(others)
    // A worker that waits for packets would keep the process from ending.
    this.#forget = atExit(() => this.#tell({ type: 'end' }))
  }

  get counters(): Readonly<Record<string, number>> {
    const sum = (i: number) => this.#workers.reduce((total, { counters }) => total + counters[i]!, 0)
    return Object.fromEntries(COUNTERS.map((name, i) => [name, sum(i)]))
  }

  async ruleCounts(prefixes: readonly ServicePrefix[]): Promise<readonly RuleCounts[]> {
    const packed = prefixes.map(packPrefix)
    const parts: RuleCounts[][] = this.#workers.map(() => [])
    // Few at a time, as with changes: packets wait meanwhile.
    for (let i = 0; i < packed.length; i += ENTRIES_PER_QUESTION) {
      const some = packed.slice(i, i + ENTRIES_PER_QUESTION)
      const answers = await Promise.all(this.#workers.map(worker => this.#count(worker, some)))
      for (const [w, counts] of answers.entries()) parts[w]!.push(counts)
    }
    return parts.map(counts => counts.flat())
  }

  async caughtUp(): Promise<void> {
    this.#flush()
    await Promise.all(this.#workers.map(worker => this.#count(worker, [])))
  }

  addLink({ id, endpoint, prefixBits }: Local, link: Link): void {
    for (const [i, fd] of (link as EngineLink).descriptors.entries()) {
      this.#tellOne(this.#workers[i]!, { type: 'open', id, fd, endpoint, prefixBits })
    }
  }

  get succession(): Succession {
    return this.#succession
  }

  adopt(succession: Succession): void {
    this.#succession = succession
    const { routeSecret, zeroMs } = succession
    const aheadMs = clockZeroMs() - zeroMs
    this.#tell({ type: 'adopt', routeSecret: Buffer.from(routeSecret, 'hex'), aheadMs })
  }

  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#flush()
    this.#tell({ type: 'begin' })
  }

  removeLink({ id }: Local): void {
    this.#tell({ type: 'close', id })
  }

  setKnownRouters(endpoints: readonly string[]): void {
    this.#tell({ type: 'routers', endpoints })
  }

  release(under: ServicePrefix): void {
    this.#publish({ verb: 'release', under: packPrefix(under) })
  }

  refuse(under: ServicePrefix): void {
    this.#flush()
    this.#tell({ type: 'refuse', under: packPrefix(under) })
  }

  setTap(tap: PacketTap | undefined): void {
    this.#tap = tap
    this.#tell({ type: 'watch', isWatched: tap !== undefined })
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.begin()
    this.refuse(ServicePrefix.all)
    for (const id of this.network.openIds) this.#tell({ type: 'close', id })
    this.#tell({ type: 'end' })
    await Promise.all(this.#workers.map(({ ended }) => ended))
    this.#hasEnded = true
    this.#forget()
    for (const { port, bell } of this.#workers) {
      port.close()
      this.#calls.close(bell)
    }
  }

  #startWorker(start: CommonStart): WorkerHandle {
    const { port1: port, port2 } = new MessageChannel()
    const posted = new Int32Array(new SharedArrayBuffer(4))
    const counters = new Float64Array(new SharedArrayBuffer(COUNTERS.length * Float64Array.BYTES_PER_ELEMENT))
    const bell = this.#calls.newBell()
    const tableSalt = new DataView(randomBytes(4).slice().buffer).getInt32(0)
    const workerData: WorkerStart = { ...start, port: port2, posted, counters, bell, tableSalt }
    const worker = new Worker(ENTRY, { workerData, transferList: [port2] })
    port.on('message', (message: FromWorker) => this.#handle(message))
    port.unref()
    const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))
    worker.once('error', error => {
      // It forwards no more, and nobody else has its sockets: better no router than half of one.
      if (!this.#isClosing) throw error
    })
    return { worker, port, posted, counters, bell, ended }
  }

  #handle(message: FromWorker): void {
    if (message.type === 'resolve') return this.#events.onResolve(ServiceId.fromBytes(message.id))
    if (message.type === 'uncaptured') return this.#endCapture(message.why)
    if (message.type === 'seen') return this.#show(message.packets, message.missed)
    this.#questions.get(message.question)?.(message.counts)
    this.#questions.delete(message.question)
  }

  /** Of several workers the first says so. */
  #endCapture(why: string): void {
    if (this.#capture !== undefined) warnOfEnd(this.#capture, why)
    this.#capture = undefined
  }

  #show(packets: readonly SeenPacket[], missed: number): void {
    for (const { bytes, source, destination, atMs } of packets) {
      this.#tap?.show(bytes, bytes.length, source, destination, atMs)
    }
    if (missed > 0) this.#tap?.miss(missed)
  }

  /** Nothing is counted by a worker that has ended. */
  #count(handle: WorkerHandle, prefixes: readonly Prefix[]): Promise<RuleCounts> {
    const question = ++this.#lastQuestion
    const answered = new Promise<RuleCounts>(resolve => this.#questions.set(question, resolve))
    this.#tellOne(handle, { type: 'count', question, prefixes })
    return Promise.race([answered, handle.ended.then(() => [])])
  }

  /** Gathers changes until the end of this turn of the event loop. */
  #publish(change: Change): void {
    if (this.#changes.length === 0) queueMicrotask(() => this.#flush())
    this.#changes.push(change)
  }

  #flush(): void {
    const changes = this.#changes
    this.#changes = []
    for (let i = 0; i < changes.length; i += CHANGES_PER_MESSAGE) {
      this.#tell({ type: 'rules', changes: changes.slice(i, i + CHANGES_PER_MESSAGE) })
    }
  }

  #tell(message: ToWorker): void {
    for (const worker of this.#workers) this.#tellOne(worker, message)
  }

  #tellOne({ port, posted, bell }: WorkerHandle, message: ToWorker): void {
    // What changes the table in slices may not have come to its end.
    if (this.#hasEnded) return
    port.postMessage(message)
    Atomics.add(posted, 0, 1)
    this.#calls.ring(bell)
  }
}

/** UDP sockets, one a worker at each address. */
class EngineNetwork implements Network {
  readonly id = 'udp'
  readonly #calls: MessageCalls
  readonly #workers: number
  readonly #takeOver: boolean
  readonly #udp = new UdpNetwork()
  readonly #openIds = new Set<number>()

  constructor(calls: MessageCalls, workers: number, takeOver: boolean) {
    this.#calls = calls
    this.#workers = workers
    this.#takeOver = takeOver
  }

  get openIds(): readonly number[] {
    return [...this.#openIds]
  }

  addresses(): readonly HostAddress[] {
    return this.#udp.addresses()
  }

  open(id: number, { address }: HostAddress, port: number): Link {
    const calls = this.#calls
    if (!this.#takeOver) calls.probe({ address, port })
    const descriptors = [calls.open({ address, port })]
    const endpoint = { address, port: calls.portOf(descriptors[0]!) }
    while (descriptors.length < this.#workers) descriptors.push(calls.open(endpoint))
    this.#openIds.add(id)
    return new EngineLink(id, endpoint, descriptors, () => this.#openIds.delete(id))
  }
}

/** Nothing goes by it in this thread: the workers have its sockets, and close them. */
class EngineLink implements Link {
  readonly id: number
  readonly endpoint: Endpoint
  readonly descriptors: readonly number[]
  readonly full = false
  readonly queuedBytes = 0
  readonly #onClosed: () => void

  constructor(id: number, endpoint: Endpoint, descriptors: readonly number[], onClosed: () => void) {
    this.id = id
    this.endpoint = endpoint
    this.descriptors = descriptors
    this.#onClosed = onClosed
  }

  send(): boolean {
    throw new Error('a link of workers is theirs to send by')
  }

  hold(): void {}

  close(): void {
    this.#onClosed()
  }
}
