/**
 * One random deployment of two hosts and a router, in which the ends move while they transfer: what `moves.test.ts`
 * runs a thousand of. Everything follows from the seed.
 */
import type { Random } from '../support/random.ts'
import type { Link, LinkOptions } from '../support/simulator/link.ts'
import type { Port } from '../support/simulator/network.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { HostOptions, SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World, type WorldOptions } from '../support/simulator/world.ts'

const MIB = 1 << 20
const SERVICE = 'files.example'
/** The safety phase, in which faults go on, and the liveness phase, in which there are none. */
const SAFETY_MS = 60_000
const LIVENESS_MS = 60_000
/** How often it is looked whether an old address may go. */
const LOOK_MS = 100

/** Bytes down and up. */
const TRANSFERS = [
  [MIB, 0],
  [0, MIB],
  [MIB / 2, MIB / 2],
  [MIB, 1],
] as const

export class RandomMoves {
  readonly world: World
  /** What was done, for people. */
  readonly story: string[] = []
  readonly #random: Random
  readonly #accesses: readonly Link[]
  readonly #core: Link
  readonly #client: SimHost
  readonly #server: SimHost

  constructor(seed: number, options: WorldOptions = {}) {
    this.world = simulate(seed, options)
    this.#random = this.world.random
    this.#core = this.world.link('core', { delayMs: this.#between(0.1, 2) })
    this.#accesses = ['wifi', 'lte', 'ethernet'].map(name => this.world.link(name, this.#accessOptions()))
    const router = this.world.router('router', this.#core)
    this.#server = this.world.host('server', this.#core, this.#hostOptions()).use(router)
    this.#client = this.world.host('client', this.#accesses[0]!, this.#hostOptions()).use(router)
    router.forward(SERVICE, this.#server)
  }

  /** Runs it; throws if anything is not as it must be. */
  run(): void {
    const { world } = this
    const [down, up] = this.#random.pick(TRANSFERS)
    const accepted: SimFlow[] = []
    this.#server.listen(SERVICE, flow => accepted.push(flow.send(down).end()))
    const flow = this.#client.connect(SERVICE).send(up).end()
    const transferred = () => flow.receivedBytes + (accepted[0]?.receivedBytes ?? 0)
    const isDone = () => flow.isClosed && (accepted[0]?.isClosed ?? true)

    const moves = 1 + this.#random.below(4)
    for (let move = 0; move < moves; move++) {
      const threshold = ((move + this.#random.fraction()) / moves) * (down + up)
      world.runUntil(() => isDone() || transferred() >= threshold, SAFETY_MS)
      if (!isDone() && accepted[0]) this.#move(flow, accepted[0])
    }
    world.runUntil(isDone, SAFETY_MS)
    world.settle(isDone, LIVENESS_MS)

    const error = flow.error ?? accepted[0]?.error
    if (error) throw error
    if (accepted.length !== 1) throw new Error(`one connect was accepted ${accepted.length} times`)
    if (flow.receivedBytes !== down) throw new Error(`client read ${flow.receivedBytes} of ${down} bytes`)
    if (accepted[0]!.receivedBytes !== up)
      throw new Error(`server read ${accepted[0]!.receivedBytes} of ${up} bytes`)
  }

  #move(flow: SimFlow, served: SimFlow): void {
    const client = this.#client
    const { world } = this
    const current = client.attached.find(port => port.id === flow.flow.activePath?.local.id)
    const noticeMs = this.#random.chance(0.5) ? 0 : this.#between(1, 200)
    const tell = (what: string) => this.story.push(`${world.nowMs.toFixed(1)} ms: ${what}`)
    switch (this.#random.below(7)) {
      case 0:
        tell('the client gets an address and loses the one in use')
        client.attach(this.#anyAccess())
        if (current) client.detach(current, noticeMs)
        return
      case 1:
        tell('the client loses the address in use, and gets one')
        if (current) client.detach(current, noticeMs)
        world.after(this.#between(0, 100), () => client.attach(this.#anyAccess()))
        return
      case 2:
      case 3: {
        tell('the client moves to another address')
        client.migrate(flow, client.attach(this.#anyAccess()))
        if (current && this.#random.chance(0.5))
          world.after(this.#between(0, 300), () => client.detach(current))
        return
      }
      case 4:
        tell('the client has no address for a while')
        for (const port of client.attached) client.detach(port, noticeMs)
        world.after(this.#between(50, 3000), () => client.attach(this.#anyAccess()))
        return
      case 5:
        tell('nothing comes through for a while')
        for (const link of this.#accesses) link.set({ down: true })
        world.after(this.#between(50, 2000), () => {
          for (const link of this.#accesses) link.set({ down: false })
        })
        return
      case 6:
        if (this.#random.chance(0.5)) {
          tell('both ends move at once')
          this.#migrateAway(client, flow, this.#anyAccess())
        } else tell('the server moves')
        this.#migrateAway(this.#server, served, this.#core)
    }
  }

  /** Moves a flow to a new address on `link`; the old one goes when it is not needed any more. */
  #migrateAway(host: SimHost, flow: SimFlow, link: Link): void {
    const old = host.attached.find(port => port.id === flow.flow.activePath?.local.id)
    const port = host.attach(link)
    host.migrate(flow, port)
    if (old) this.world.after(LOOK_MS, () => this.#detachOnceMoved(host, flow, old))
  }

  #detachOnceMoved(host: SimHost, flow: SimFlow, old: Port): void {
    const isInUse = flow.flow.activePath?.local.id === old.id
    if (flow.flow.info().migrationState === 'INITIAL' && !isInUse) host.detach(old)
    else if (!flow.isClosed) this.world.after(LOOK_MS, () => this.#detachOnceMoved(host, flow, old))
  }

  #anyAccess(): Link {
    return this.#random.pick(this.#accesses)
  }

  #accessOptions(): Partial<LinkOptions> {
    const maybe = (probability: number, most: number) =>
      this.#random.chance(probability) ? most * this.#random.fraction() : 0
    const isSlow = this.#random.chance(0.3)
    return {
      delayMs: this.#random.pick([0.5, 2, 10, 25, 60]) * this.#between(0.5, 1.5),
      jitterMs: maybe(0.3, 10),
      loss: maybe(0.7, 0.04),
      burst: this.#random.chance(0.15) ? { begins: 0.005, most: 5 } : undefined,
      reorder: maybe(0.3, 0.1),
      reorderMs: this.#between(1, 20),
      duplicate: maybe(0.3, 0.05),
      corrupt: maybe(0.3, 0.02),
      kbitPerSecond: isSlow ? this.#between(3_000, 50_000) : Number.POSITIVE_INFINITY,
      queueBytes: this.#between(20_000, 200_000),
    }
  }

  #hostOptions(): HostOptions {
    return this.#random.chance(0.5) ? { mergeMs: this.#random.pick([0, 0.2, 1]) } : {}
  }

  #between(low: number, high: number): number {
    return low + (high - low) * this.#random.fraction()
  }
}
