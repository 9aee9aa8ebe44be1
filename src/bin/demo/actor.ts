/** A process of the demo. It ends with the demo, whatever happens to it: it sees its channel close. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Failure } from '../failure.ts'

export interface ActorOptions {
  /** For messages about it. */
  readonly name: string
  readonly role: string
  readonly module: URL
  readonly args?: readonly string[]
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  /** A message over the channel. */
  onMessage?(message: unknown): void
  /** It ended, and nobody asked it to. */
  onLost(how: string): void
}

export class Actor {
  readonly name: string
  readonly role: string
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #lastWords: string[] = []
  #isDismissed = false
  #isKilled = false

  constructor({ name, role, module, args = [], directory, env, onMessage, onLost }: ActorOptions) {
    this.name = name
    this.role = role
    // A group of its own: Ctrl-C is for the demo, which dismisses its actors in order.
    this.#process = fork(module, args, { cwd: directory, env, execArgv: [], silent: true, detached: true })
    this.#ended = once(this.#process, 'exit')
    this.#process.on('message', message => onMessage?.(message))
    this.#process.on('exit', (status, signal) => {
      all.delete(this)
      if (!this.#isDismissed) onLost(`${name} ended (${signal ?? `status ${status}`})${this.#complaint()}`)
    })
    createInterface(this.#process.stderr!).on('line', line => {
      this.#lastWords.push(line)
      if (this.#lastWords.length > MAX_LAST_WORDS) this.#lastWords.shift()
    })
    all.add(this)
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** By `kill`: there is nothing more to expect of it. */
  get isKilled(): boolean {
    return this.#isKilled
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  send(message: object): void {
    // It may be ending at this moment; `onLost` tells.
    if (this.#process.connected) this.#process.send(message, () => undefined)
  }

  /** The first line that it prints. */
  async firstLine(): Promise<string> {
    const lines = createInterface(this.#process.stdout!)
    return this.#within(once(lines, 'line').then(([line]) => String(line)))
  }

  async firstMessage(): Promise<unknown> {
    return this.#within(once(this.#process, 'message').then(([message]) => message))
  }

  /** Ends it as a crash would. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isDismissed = this.#isKilled = true
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  /** It may end from now on. */
  dismiss(): void {
    this.#isDismissed = true
  }

  /** Asks it to end, by SIGTERM, and waits. False: it did not, or did so with a status of failure. */
  async stop(): Promise<boolean> {
    this.#isDismissed = true
    if (!this.hasEnded) this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS)
    await (this.hasEnded || this.#ended)
    clearTimeout(timer)
    return this.#process.exitCode === 0
  }

  killNow(): void {
    this.#process.kill('SIGKILL')
  }

  async #within<T>(answer: Promise<T>): Promise<T> {
    const timeout = new AbortController()
    const silent = `${this.name} was not ready within ${READY_MS / 1000} s`
    try {
      return await Promise.race([
        answer,
        this.#ended.then(() => Promise.reject(new Failure(`${this.name} ended at once${this.#complaint()}`))),
        once(AbortSignal.any([AbortSignal.timeout(READY_MS), timeout.signal]), 'abort').then(() =>
          Promise.reject(new Failure(`${silent}${this.#complaint()}`)),
        ),
      ])
    } finally {
      timeout.abort()
    }
  }

  #complaint(): string {
    return this.#lastWords.length === 0 ? '' : `: ${this.#lastWords.join(' ')}`
  }
}

const READY_MS = 30_000
const STOP_MS = 15_000
const MAX_LAST_WORDS = 5

const all = new Set<Actor>()
process.on('exit', () => {
  for (const actor of all) actor.killNow()
})
