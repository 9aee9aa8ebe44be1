/** Programs in C, for what must not be slower than a kernel's interface allows: compiled on the spot by gcc (Debian package gcc). */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Why there can be none; undefined: there can. */
export function compilerLack(): string | undefined {
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'gcc is not installed'
}

/** Compiles a program of bench/peers/c and gives its path to `run`; what was made is gone when that returns. */
export async function withCProgram<T>(name: string, run: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'serval-bench-c-'))
  try {
    const path = join(folder, name)
    const source = fileURLToPath(new URL(`../peers/c/${name}.c`, import.meta.url))
    execFileSync('gcc', ['-O2', '-o', path, source])
    return await run(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
