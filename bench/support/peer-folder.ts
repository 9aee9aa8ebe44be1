/** The programs of bench/peers, and a directory for each side that the other, on another host in real life, does not see. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Program } from '../../test/support/lab/program.ts'

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Wraps the command, to run it elsewhere. */
  readonly command?: (file: string, ...args: string[]) => [string, string[]]
}

export class PeerFolder {
  readonly #peers: URL
  readonly #root = mkdtempSync(join(tmpdir(), 'serval-bench-'))

  constructor(peers: URL) {
    this.#peers = peers
  }

  get url(): URL {
    return this.#peers
  }

  start(
    side: string,
    program: string,
    args: readonly string[],
    { env, command = (file, ...rest) => [file, rest] }: StartOptions = {},
  ): Program {
    const script = fileURLToPath(new URL(`${program}.js`, this.#peers))
    const [file, rest] = command(process.execPath, script, ...args)
    const runtimeDir = join(this.#root, side)
    return new Program(file, rest, { cwd: this.#root, env: { SERVAL_RUNTIME_DIR: runtimeDir, ...env } })
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}
