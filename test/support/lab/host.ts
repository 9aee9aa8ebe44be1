/** A host of a test: a network namespace, a home of its own, and the programs that run there as a user starts them. */
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Namespace } from './namespace.ts'
import { Program } from './program.ts'

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** As nobody, without capabilities. */
  readonly isUnprivileged?: boolean
}

const NOBODY = 65_534
const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))

export class Host {
  readonly namespace: Namespace
  /** Of the user and of nobody, mode 0700 both. */
  readonly #home = mkdtempSync(join(tmpdir(), 'svlab-'))
  readonly #nobodysHome = join(this.#home, 'nobody')
  readonly #env: Readonly<Record<string, string>>

  /** `env`: settings of all that runs there. */
  constructor(role: string, env: Readonly<Record<string, string>> = {}) {
    this.namespace = new Namespace(role)
    this.#env = env
  }

  /** Runs a program of test/e2e/programs. */
  run(program: string, args: readonly string[] = [], options: RunOptions = {}): Program {
    return this.#start([join(REPOSITORY, 'test/e2e/programs', program), ...args], options)
  }

  /** Runs a `serval` command, as built. */
  serval(args: readonly string[], options: RunOptions = {}): Program {
    return this.#start([join(REPOSITORY, 'dist/lib/serval.js'), ...args], options)
  }

  /** Where a file is that its programs call by `name` alone. */
  path(name: string): string {
    return join(this.#home, name)
  }

  /** Ends all programs. */
  close(): void {
    this.namespace.remove()
    rmSync(this.#home, { recursive: true, force: true })
  }

  #start(args: readonly string[], { env, isUnprivileged = false }: RunOptions): Program {
    const node = [process.execPath, ...args]
    const asNobody = [
      'setpriv',
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      '--clear-groups',
      '--bounding-set=-all',
    ]
    const [file, ...rest] = isUnprivileged ? [...asNobody, ...node] : node
    const cwd = isUnprivileged ? this.#makeNobodysHome() : this.#home
    const settings = { SERVAL_RUNTIME_DIR: join(cwd, 'run'), ...this.#env, ...env }
    return new Program(...this.namespace.command(file!, ...rest), { cwd, env: settings })
  }

  #makeNobodysHome(): string {
    mkdirSync(this.#nobodysHome, { recursive: true, mode: 0o700 })
    chownSync(this.#nobodysHome, NOBODY, NOBODY)
    chownSync(this.#home, NOBODY, NOBODY)
    return this.#nobodysHome
  }
}
