/**
 * The command `serval` as its users run it: processes from dist/, in a world of their own (a working directory, a runtime
 * directory, no settings of whoever runs the test). Whatever is started ends with the world.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'

export const SERVAL = fileURLToPath(new URL('../../dist/lib/serval.js', import.meta.url))

export interface Outcome {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** What starts it, in front of node: `['setpriv', '--reuid', '65534']`. */
  readonly by?: readonly string[]
}

export class CliWorld {
  /** Everything is in it. */
  readonly directory = mkdtempSync(join(tmpdir(), 'svcli-'))
  readonly runtimeDir = join(this.directory, 'run')
  /** Where demos put their own directories. */
  readonly temporary = join(this.directory, 'tmp')
  readonly #children = new Set<ChildProcess>()

  constructor() {
    mkdirSync(this.temporary)
  }

  /** Runs it to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return new Running(this.#spawn(args, options)).ended
  }

  /** Runs it with `--json`, to its end. Throws with all that it said unless it ends with `status` and printed JSON. */
  async json<Report = Record<string, unknown>>(
    args: readonly string[],
    { status = 0, ...options }: RunOptions & { readonly status?: number } = {},
  ): Promise<Report> {
    const outcome = await this.run([...args, '--json'], options)
    try {
      if (outcome.status !== status) throw new Error(`its status is not ${status}`)
      return JSON.parse(outcome.stdout)
    } catch (cause) {
      const { signal, stdout, stderr } = outcome
      const ended = signal === null ? `with status ${outcome.status}` : `by ${signal}`
      throw new Error(`serval ${args.join(' ')} --json ended ${ended}:\n${stdout}${stderr}`, { cause })
    }
  }

  /** Starts it and waits for its first line. */
  async start(args: readonly string[], options: RunOptions = {}): Promise<Running> {
    const running = new Running(this.#spawn(args, options))
    await running.line(() => true)
    return running
  }

  /** Starts it, and does not wait. */
  launch(args: readonly string[], options: RunOptions = {}): Running {
    return new Running(this.#spawn(args, options))
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all([...this.#children].map(child => once(child, 'close')))
    rmSync(this.directory, { recursive: true, force: true })
  }

  #spawn(args: readonly string[], { env, by = [] }: RunOptions): ChildProcess {
    const [file, ...rest] = [...by, process.execPath, SERVAL, ...args]
    const child = spawn(file!, rest, {
      cwd: this.directory,
      env: { ...ownEnvironment(), SERVAL_RUNTIME_DIR: this.runtimeDir, TMPDIR: this.temporary, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    child.on('close', () => this.#children.delete(child))
    return child
  }
}

export class Running {
  readonly ended: Promise<Outcome>
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #watchers = new Set<() => void>()

  constructor(child: ChildProcess) {
    this.#child = child
    let stdout = ''
    let stderr = ''
    child.stdout!.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr!.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    createInterface({ input: child.stdout! }).on('line', line => {
      this.#lines.push(line)
      for (const look of [...this.#watchers]) look()
    })
    this.ended = once(child, 'close').then(([status, signal]) => ({ status, signal, stdout, stderr }))
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** The first line of its stdout that fits, printed already or still to come. Rejects when it ends without. */
  async line(fits: (line: string) => boolean): Promise<string> {
    const found = new Promise<string>(resolve => {
      const look = () => {
        const line = this.#lines.find(fits)
        if (line === undefined) return
        this.#watchers.delete(look)
        resolve(line)
      }
      this.#watchers.add(look)
      look()
    })
    const lack = this.ended.then(({ status, stdout, stderr }) => {
      throw new Error(`it ended with status ${status} without that line:\n${stdout}${stderr}`)
    })
    return Promise.race([found, lack])
  }

  /** What its first line says, as JSON. */
  async firstJson(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.line(() => true))
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> {
    this.#child.kill(signal)
    return this.ended
  }
}

/** What is wrong with a value by a published schema; '' if nothing is. */
export function schemaErrors(name: string, value: unknown): string {
  const path = createRequire(import.meta.url).resolve(`serval/schemas/${name}.schema.json`)
  const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true })
  ajv.validate(JSON.parse(readFileSync(path, 'utf8')), value)
  return ajv.errors ? ajv.errorsText() : ''
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function ownEnvironment(): NodeJS.ProcessEnv {
  const unwanted = /^(SERVAL_|npm_|FORCE_COLOR|NODE_OPTIONS|VITEST)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))
}
