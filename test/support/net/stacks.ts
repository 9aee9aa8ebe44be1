/** Stacks for tests: a runtime directory of their own, and all closed in the end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { RouterShell, type RouterShellOptions } from '../../../src/net/router-shell.ts'
import { Stack, type StackOptions } from '../../../src/net/stack.ts'

export class Stacks {
  readonly runtimeDir = mkdtempSync(join(tmpdir(), 'serval-test-'))
  readonly #open: { close(): Promise<unknown> }[] = []

  open(options: StackOptions = {}): Stack {
    return this.add(new Stack({ runtimeDir: this.runtimeDir, ...options }))
  }

  openRouter(options: RouterShellOptions = {}): RouterShell {
    return this.add(new RouterShell({ runtimeDir: this.runtimeDir, bind: '127.0.0.1:0', ...options }))
  }

  /** Anything else that is to be closed. */
  add<T extends { close(): Promise<unknown> }>(open: T): T {
    this.#open.push(open)
    return open
  }

  async close(): Promise<void> {
    for (const open of this.#open.reverse()) await open.close()
    rmSync(this.runtimeDir, { recursive: true, force: true })
  }
}

/** The networks that stacks run over, by name: options for the n-th stack of one. */
export function networkKinds(): [string, (index: number) => StackOptions][] {
  const memory = new MemoryNetwork()
  return [
    ['memory', index => ({ network: memory.host(`10.0.0.${index}`) })],
    ['UDP', () => ({ bind: '127.0.0.1' })],
    ['UDP without offloads', () => ({ bind: '127.0.0.1', offload: false })],
    ['plain UDP', () => ({ bind: '127.0.0.1', offload: 'dgram' })],
    ['UDP over IPv6', () => ({ bind: '::1' })],
  ]
}
