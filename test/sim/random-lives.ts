/**
 * A random deployment in which flows live all kinds of lives at once: clients that move, servers behind a router, programs
 * that end, let go or reset whenever they like. What `lives.test.ts` runs hundreds of; everything follows from the seed.
 */
import type { Random } from '../support/random.ts'
import type { Link } from '../support/simulator/link.ts'
import type { SimFlow } from '../support/simulator/sim-flow.ts'
import type { SimHost } from '../support/simulator/sim-host.ts'
import { simulate, type World, type WorldOptions } from '../support/simulator/world.ts'

const SERVICE = 'work.example'
const FLOWS = 12
const SAFETY_MS = 20_000
/** Longer than a program that has let go is waited for, and than a silent peer is. */
const LIVENESS_MS = 200_000

/** What no flow leaves behind. */
const LEAVES_NOTHING: ReadonlySet<string> = new Set(['half-open flows', 'bytes promised to peers'])

/** How the programs of one flow behave. */
interface Life {
  readonly up: number
  readonly down: number
  /** Who breaks off, when, and how; undefined: both send, end, and read to the end. */
  readonly breaks?: {
    readonly end: 'client' | 'server'
    readonly afterMs: number
    readonly by: 'reset' | 'close'
  }
}

export class RandomLives {
  readonly world: World
  readonly story: string[] = []
  readonly #random: Random
  readonly #accesses: readonly Link[]
  readonly #clients: readonly SimHost[]
  readonly #servers: readonly SimHost[]
  readonly #lives = new Map<number, Life>()
  readonly #flows: SimFlow[] = []
  readonly #served = new Map<number, SimFlow>()

  constructor(seed: number, options: WorldOptions = {}) {
    this.world = simulate(seed, options)
    const random = this.world.random
    this.#random = random
    const core = this.world.link('core', { delayMs: 1 })
    this.#accesses = ['wifi', 'lte'].map(name =>
      this.world.link(name, {
        delayMs: 1 + random.below(30),
        loss: 0.05 * random.fraction(),
        reorder: 0.05 * random.fraction(),
        duplicate: 0.05 * random.fraction(),
      }),
    )
    const limits = { deadPeerMs: 30_000, receiveBufferBytes: random.pick([16_384, 65_536, 1 << 20]) }
    const router = this.world.router('router', core)
    const hosts = (name: string, count: number, link: () => Link) =>
      Array.from({ length: count }, (_, i) => this.world.host(`${name}${i}`, link(), { limits }).use(router))
    this.#servers = hosts('server', 1 + random.below(2), () => core)
    this.#clients = hosts('client', 1 + random.below(3), () => random.pick(this.#accesses))
    router.forward(SERVICE, ...this.#servers)
    for (const server of this.#servers) server.listen(SERVICE, flow => this.#serve(flow))
  }

  run(): void {
    const { world } = this
    for (let i = 0; i < FLOWS; i++) world.after(this.#random.below(2000), () => this.#begin())
    for (const client of this.#clients) this.#moveNowAndThen(client)
    world.run(SAFETY_MS)
    for (const flow of this.#flows) this.#check(flow)
    // A reset may have been lost, and its peer have nothing to say: programs have patience of their own.
    for (const host of world.hosts) for (const flow of host.flows) if (this.#lifeOf(flow).breaks) flow.reset()
    world.settle(() => world.hosts.every(host => host.sal.flows.size === 0), LIVENESS_MS)
    for (const flow of this.#flows) this.#check(flow)
    for (const host of world.hosts) {
      const left = host.sal.queues.find(({ name, size }) => LEAVES_NOTHING.has(name) && size !== 0)
      if (left !== undefined) throw new Error(`${host.name} has ${left.size} ${left.name} left`)
    }
  }

  #begin(): void {
    const random = this.#random
    const end = random.pick(['client', 'server'] as const)
    const by = random.pick(['reset', 'close'] as const)
    const breaks = random.chance(0.5) ? { end, by, afterMs: random.below(800) } : undefined
    const life = { up: random.below(150_000), down: random.below(150_000), ...(breaks ? { breaks } : {}) }
    const flow = random.pick(this.#clients).connect(SERVICE, { timeoutMs: 15_000 })
    this.#flows.push(flow)
    this.#lives.set(flow.clientFlowId, life)
    flow.send(life.up).end()
    if (breaks?.end === 'client') this.world.after(breaks.afterMs, () => this.#break(flow, breaks.by))
    if (random.chance(0.3)) this.#pauseNowAndThen(flow)
  }

  #serve(flow: SimFlow): void {
    const life = this.#lifeOf(flow)
    this.#served.set(flow.clientFlowId, flow)
    flow.send(life.down).end()
    if (life.breaks?.end === 'server') {
      const { afterMs, by } = life.breaks
      this.world.after(afterMs, () => this.#break(flow, by))
    }
  }

  #break(flow: SimFlow, by: 'reset' | 'close'): void {
    this.story.push(
      `${this.world.nowMs.toFixed(1)} ms: ${flow.host.name} ${by}s ${flow.clientFlowId.toString(16)}`,
    )
    if (by === 'reset') flow.reset()
    else flow.close()
  }

  #pauseNowAndThen(flow: SimFlow): void {
    this.world.after(this.#random.below(300), () => flow.pause())
    this.world.after(300 + this.#random.below(1000), () => flow.resume())
  }

  #moveNowAndThen(client: SimHost): void {
    const again = () => {
      if (this.world.nowMs > 5000) return
      const old = client.attached
      const kind = this.#random.below(3)
      this.story.push(`${this.world.nowMs.toFixed(1)} ms: ${client.name} moves (${kind})`)
      if (kind === 0) client.attach(this.#random.pick(this.#accesses))
      for (const port of old) client.detach(port, this.#random.below(50))
      if (kind === 1) client.attach(this.#random.pick(this.#accesses))
      if (kind === 2)
        this.world.after(this.#random.below(500), () => client.attach(this.#random.pick(this.#accesses)))
      this.world.after(600 + this.#random.below(2000), again)
    }
    this.world.after(this.#random.below(3000), again)
  }

  /** A life without a break ends well, with every byte. */
  #check(flow: SimFlow): void {
    const { up, down, breaks } = this.#lifeOf(flow)
    const served = this.#served.get(flow.clientFlowId)
    if (breaks || !flow.isConnected) return
    const error = flow.error ?? served?.error
    if (error) throw new Error(`flow ${flow.clientFlowId.toString(16)}: ${error}`)
    if (!flow.isClosed) return
    if (flow.receivedBytes !== down || served?.receivedBytes !== up)
      throw new Error(`read ${flow.receivedBytes} of ${down} and ${served?.receivedBytes} of ${up} bytes`)
  }

  #lifeOf(flow: SimFlow): Life {
    const life = this.#lives.get(flow.clientFlowId)
    if (life === undefined) throw new Error('a flow that nobody began')
    return life
  }
}
