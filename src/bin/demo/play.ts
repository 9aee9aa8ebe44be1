/**
 * The play: it hires the actors (controller, router, replicas, clients, each a process), cues them by the script, keeps
 * the scene up to date, and sends everybody home.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../failure.ts'
import { count } from '../units.ts'
import { Actor, type ActorOptions } from './actor.ts'
import { MEAN_FILE_BYTES, makeFiles } from './files.ts'
import type { ClientCue, ClientReport, DemoFile, ReplicaCue } from './messages.ts'
import { type ClientView, type ReplicaView, Scene } from './scene.ts'
import { downloadSeconds, FIRST_REPLICAS, type Step, script } from './script.ts'

export const SERVICE = 'files.demo'
const CLIENTS = 4
const FIRST_ADDRESS = '127.0.0.1'

export class Play {
  readonly scene = new Scene()
  /** What it does at the moment, for the picture's title. */
  title = 'starting the processes'
  footnote = ''
  /** Every process that there has been. */
  readonly processes: { readonly name: string; readonly pid: number }[] = []
  readonly seconds: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'serval-demo-'))
  readonly #files: readonly DemoFile[]
  /** All that were hired, ready or not, in order. */
  readonly #actors: Actor[] = []
  readonly #replicas = new Map<ReplicaView, Actor>()
  readonly #clients = new Map<ClientView, Actor>()
  /** Aborted: no more steps. */
  readonly #steps = new AbortController()
  readonly #aborted: Promise<unknown>
  #startedAt = performance.now()

  constructor(seconds: number) {
    this.seconds = seconds
    process.on('exit', this.#cleanUp)
    this.#files = makeFiles(this.#directory)
    const { signal } = this.#steps
    this.#aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason))
  }

  /** Since the curtain rose. */
  get nowMs(): number {
    return performance.now() - this.#startedAt
  }

  /** Resolves when it is over and everybody is gone. Rejects where the play could not be given as written. */
  async perform(): Promise<void> {
    try {
      await Promise.race([this.#aborted, this.#act()])
    } finally {
      await this.#sendHome()
    }
  }

  /** Ends it early; `perform` rejects with the reason. */
  stop(reason: Error): void {
    this.#steps.abort(reason)
  }

  async #act(): Promise<void> {
    await this.#raiseCurtain()
    for (const step of script(this.seconds)) {
      await this.#until(step.atMs)
      await this.#take(step)
    }
    // The last downloads are under way.
    await this.#until(1000 * (this.seconds - downloadSeconds(this.seconds)))
    for (const actor of this.#clients.values()) {
      actor.dismiss()
      actor.send({ type: 'finish' } satisfies ClientCue)
    }
    this.title = 'the last downloads'
    await this.#happens('the last downloads end', () =>
      [...this.#clients.values()].every(actor => actor.hasEnded),
    )
  }

  async #raiseCurtain(): Promise<void> {
    const controller = await this.#hireStaff('controller', ['--bind', '127.0.0.1:0', '--api', '127.0.0.1:0'])
    const router = await this.#hireStaff('router', ['--bind', `${FIRST_ADDRESS}:0`])
    await this.#hireReplicas(FIRST_REPLICAS)
    for (let number = 1; number <= CLIENTS; number++) this.#hireClient(number)
    this.#startedAt = performance.now()
    this.title = SERVICE
    this.footnote = `router pid ${router} finds a replica, then data goes direct · controller pid ${controller}`
    this.#note(
      `up: a controller, a router, ${count(FIRST_REPLICAS.length, 'replica')}, ${count(CLIENTS, 'client')}`,
    )
    for (const [index, actor] of [...this.#clients.values()].entries()) {
      actor.send({ type: 'start', service: SERVICE, files: this.#files, first: index } satisfies ClientCue)
    }
  }

  async #take(step: Step): Promise<void> {
    switch (step.act) {
      case 'join':
        await this.#hireReplicas([step.replica])
        return this.#note(`${step.replica} joins`)
      case 'move': {
        const client = this.scene.clients[step.client]!
        const { length } = this.scene.moves
        this.#clients.get(client)!.send({ type: 'move', address: step.address } satisfies ClientCue)
        return this.#happens(
          `${client.name} moves to ${step.address}`,
          () => this.scene.moves.length > length,
        )
      }
      case 'kill':
        return this.#killBusiest()
    }
  }

  /** Kills the replica that most clients are in the middle of a download from. */
  async #killBusiest(): Promise<void> {
    let victim: ReplicaView | undefined
    await this.#happens('a replica is in the middle of a download', () => {
      const inMiddle = ({ name }: ReplicaView) => this.scene.servedBy(name).filter(isInMiddle).length
      const candidates = this.scene.replicas.filter(replica => inMiddle(replica) > 0)
      victim = candidates.sort((a, b) => inMiddle(b) - inMiddle(a))[0]
      return victim !== undefined
    })
    const { name } = victim!
    const served = this.scene.servedBy(name)
    const { length } = this.scene.resumptions
    victim!.state = 'killed'
    this.#note(`${name} is killed; it was serving ${served.map(client => client.name).join(', ')}`)
    await this.#replicas.get(victim!)!.kill()
    await this.#happens('a download is resumed elsewhere', () => this.scene.resumptions.length > length)
  }

  /** Resolves to its pid. */
  async #hireStaff(command: string, options: readonly string[]): Promise<number> {
    const module = new URL('./serval.js', import.meta.url)
    const actor = this.#hire({ name: command, role: command, module, args: [command, ...options] })
    await actor.firstLine()
    return actor.pid
  }

  async #hireReplicas(names: readonly string[]): Promise<void> {
    const actors = names.map(name => this.#hireReplica(name))
    await Promise.all(actors.map(actor => actor.firstMessage()))
    for (const actor of actors) this.#replicas.set(this.scene.addReplica(actor.name, actor.pid), actor)
  }

  #hireReplica(name: string): Actor {
    const actor = this.#hire({ name, role: 'replica', module: new URL('./replica.js', import.meta.url) })
    const bytesPerSecond = MEAN_FILE_BYTES / downloadSeconds(this.seconds)
    const world = { service: SERVICE, directory: this.#directory, files: this.#files }
    actor.send({ type: 'serve', name, bytesPerSecond, ...world } satisfies ReplicaCue)
    return actor
  }

  #hireClient(number: number): void {
    const name = `client ${number}`
    const view = this.scene.addClient(name, FIRST_ADDRESS)
    const onMessage = (message: unknown) => this.scene.handle(view, message as ClientReport, this.nowMs)
    this.#clients.set(
      view,
      this.#hire({ name, role: 'client', module: new URL('./client.js', import.meta.url), onMessage }),
    )
  }

  #hire(part: Omit<ActorOptions, 'directory' | 'env' | 'onLost'>): Actor {
    this.#steps.signal.throwIfAborted()
    const actor = new Actor({
      ...part,
      directory: this.#directory,
      env: environment(this.#directory),
      onLost: how => this.stop(new Failure(`${how}; the demo cannot go on`)),
    })
    this.#actors.push(actor)
    this.processes.push({ name: part.name, pid: actor.pid })
    return actor
  }

  #note(text: string): void {
    this.scene.note(this.nowMs, 'step', text)
  }

  async #until(atMs: number): Promise<void> {
    await this.#wait(Math.max(0, atMs - this.nowMs))
  }

  async #wait(ms: number): Promise<void> {
    const { signal } = this.#steps
    await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
  }

  async #happens(what: string, isTrue: () => boolean): Promise<void> {
    const until = this.nowMs + PATIENCE_MS
    while (!isTrue()) {
      if (this.nowMs > until) throw new Failure(`waited ${PATIENCE_MS / 1000} s in vain: ${what}`)
      await this.#wait(LOOK_MS)
    }
  }

  /** In an order in which each can still say goodbye to the next. */
  async #sendHome(): Promise<void> {
    for (const client of this.scene.clients) client.replica = undefined
    for (const replica of this.scene.replicas) if (replica.state === 'serving') replica.state = 'left'
    for (const role of ['client', 'replica', 'router', 'controller']) {
      const group = this.#actors.filter(actor => actor.role === role && !actor.isKilled)
      const ends = await Promise.all(group.map(async actor => ({ actor, isOrderly: await actor.stop() })))
      for (const { actor, isOrderly } of ends) {
        // One that is told to stop before it is ready just ends.
        if (!isOrderly && !this.#steps.signal.aborted)
          this.scene.fail(this.nowMs, `${actor.name} did not end in order`)
      }
    }
    this.#cleanUp()
    process.off('exit', this.#cleanUp)
  }

  readonly #cleanUp = (): void => {
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** How often it looks whether something has happened. */
const LOOK_MS = 10
/** Until something must have happened. */
const PATIENCE_MS = 30_000

function isInMiddle({ atBytes, fileBytes }: ClientView): boolean {
  return atBytes > 0.15 * fileBytes && atBytes < 0.7 * fileBytes
}

/** Nothing of the user's own settings: it is a world of its own. */
function environment(directory: string): NodeJS.ProcessEnv {
  const { SERVAL_LOG } = process.env
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('SERVAL_'))
  return {
    ...Object.fromEntries(others),
    ...(SERVAL_LOG !== undefined && { SERVAL_LOG }),
    SERVAL_RUNTIME_DIR: join(directory, 'run'),
    SERVAL_BIND: FIRST_ADDRESS,
  }
}
