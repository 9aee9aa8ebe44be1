/**
 * A real process under test, which says what happens to it in lines of JSON on its stdout, each an object with an
 * `event`. Whoever started it waits for these, never for time to pass.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A line of a program. */
export interface ProgramEvent {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: the test that reads it knows what its program prints.
  readonly [key: string]: any
}

export interface ProgramExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
}

/** How long a program may take for what is expected of it, on a machine that does much besides. */
const PATIENCE_MS = 120_000

export class Program {
  readonly exited: Promise<ProgramExit>
  readonly #child: ChildProcess
  readonly #title: string
  readonly #events: ProgramEvent[] = []
  readonly #watchers = new Set<() => void>()
  #exit: ProgramExit | undefined
  #complaints = ''

  constructor(file: string, args: readonly string[], { env, cwd }: ProgramOptions = {}) {
    this.#title = [file, ...args].join(' ')
    this.#child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#handleLine(line))
    this.#child.stderr!.setEncoding('utf8').on('data', text => {
      this.#complaints += text
    })
    this.exited = new Promise((resolve, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', (code, signal) => {
        this.#exit = { code, signal }
        resolve(this.#exit)
        this.#notify()
      })
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** All that it has said so far. */
  get events(): readonly ProgramEvent[] {
    return this.#events
  }

  /** What it wrote to stderr. */
  get complaints(): string {
    return this.#complaints
  }

  /** Those of its events that have a name. */
  all(name: string): ProgramEvent[] {
    return this.#events.filter(({ event }) => event === name)
  }

  /** The first event of a name that fits, said already or still to come. Rejects when the program ends without it. */
  event(
    name: string,
    fits: (event: ProgramEvent) => boolean = () => true,
    withinMs: number = PATIENCE_MS,
  ): Promise<ProgramEvent> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.#events.find(event => event.event === name && fits(event))
        if (found !== undefined) done(() => resolve(found))
        else if (this.#exit !== undefined) done(() => reject(this.#lack(name)))
      }
      const timer = setTimeout(() => done(() => reject(this.#lack(name, withinMs))), withinMs)
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#watchers.delete(look)
        settle()
      }
      this.#watchers.add(look)
      look()
    })
  }

  /** A line on its stdin. */
  say(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** Ends it, and waits until it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProgramExit> {
    if (this.#exit === undefined) this.#child.kill(signal)
    return this.exited
  }

  #handleLine(line: string): void {
    if (!line.startsWith('{')) return
    this.#events.push(JSON.parse(line))
    this.#notify()
  }

  #notify(): void {
    for (const look of [...this.#watchers]) look()
  }

  #lack(name: string, withinMs?: number): Error {
    const when =
      withinMs === undefined
        ? `ended (${this.#exit?.signal ?? this.#exit?.code}) without`
        : `did not within ${withinMs} ms say`
    const said = this.#events.map(event => JSON.stringify(event)).slice(-10)
    return new Error([`${this.#title} ${when} "${name}"; it said:`, ...said, this.#complaints].join('\n'))
  }
}
