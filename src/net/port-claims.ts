/**
 * A port of this host belongs to one program at a time, as the kernel's do. Who takes one listens at a unix socket in the
 * abstract namespace that is named after it (unix(7)): the kernel gives a name to one socket, whoever else asks at the same
 * moment, and has it back when that program is gone, however it ended. Nothing is left behind, and nobody connects there.
 * Such names are of a network namespace, as loopback addresses are. Systems other than Linux have none.
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

/** Ports that are held until they are let go of. */
export interface PortHold {
  /** One more; false: another holds it. */
  add(key: string): Promise<boolean>
  /** One of them is free again. */
  drop(key: string): void
  /** All are. */
  release(): void
}

/** `taken`: the key of one that another holds. */
export type PortOutcome = PortHold | { readonly taken: string } | 'unsupported'

export class PortClaims {
  readonly #hostId: string
  readonly #directory: string

  /** Those exclude each other that share a runtime directory and reach each other by loopback addresses (`hostId`). */
  constructor(hostId: string, directory: string) {
    this.#hostId = hostId
    this.#directory = directory
  }

  /** All of these, or none. */
  async take(keys: readonly string[]): Promise<PortOutcome> {
    if (process.platform !== 'linux') return 'unsupported'
    const held = new HeldPorts([this.#hostId, realPath(this.#directory)])
    for (const key of keys) {
      const outcome = await held.take(key)
      if (outcome === 'held') continue
      held.release()
      return outcome === 'taken' ? { taken: key } : outcome
    }
    return held
  }
}

/** What is told apart by more than its number: a stream's port and a datagram's, those of two addresses. */
export function portKey(protocol: 'datagram' | undefined, name: string): string {
  return `${protocol ?? 'stream'} ${name}`
}

class HeldPorts implements PortHold {
  readonly #scope: readonly string[]
  readonly #servers = new Map<string, Server>()
  #isReleased = false

  constructor(scope: readonly string[]) {
    this.#scope = scope
  }

  async take(key: string): Promise<'held' | 'taken' | 'unsupported'> {
    if (this.#servers.has(key)) return 'held'
    const server = await listen(nameOf([...this.#scope, key]))
    if (typeof server !== 'object') return server
    if (this.#isReleased) server.close()
    else this.#servers.set(key, server)
    return 'held'
  }

  async add(key: string): Promise<boolean> {
    return (await this.take(key)) !== 'taken'
  }

  drop(key: string): void {
    this.#servers.get(key)?.close()
    this.#servers.delete(key)
  }

  release(): void {
    this.#isReleased = true
    for (const server of this.#servers.values()) server.close()
    this.#servers.clear()
  }
}

/** 128 bits: names of 107 bytes are the longest. */
const DIGITS = 32

function nameOf(parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return `\0serval-port-${digest.slice(0, DIGITS)}`
}

/** One directory may be written in several ways. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function listen(path: string): Promise<Server | 'taken' | 'unsupported'> {
  return new Promise(resolve => {
    const server = createServer(connection => connection.destroy())
    server.unref()
    server.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'taken' : 'unsupported'),
    )
    // Workers of a cluster would else get it together, from their primary.
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}
