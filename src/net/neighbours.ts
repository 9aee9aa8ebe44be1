/**
 * The other processes of this host with which a stack has flows. When one of them dies the kernel tells nobody, as it
 * would for TCP; so the stack keeps a connection to the status socket of each, and when that ends with nobody there any
 * more, the flows to it are reset. (Between hosts the controller does this.)
 */
import { createConnection, type Socket } from 'node:net'
import { type Endpoint, formatEndpoint, parseEndpoint, sameEndpoint } from '../wire/endpoint.ts'
import type { RuntimeDirectory } from './runtime-dir.ts'
import type { StackStatus, StatusRequest } from './status.ts'
import { askStacks } from './status-client.ts'

export interface NeighbourOptions {
  readonly runtimeDirectory: RuntimeDirectory
  /** Equal where loopback addresses lead to the same processes. */
  readonly hostId: string
  /** This stack's own status socket. */
  readonly statusSocket: string | undefined
  isOwn(address: string): boolean
  onGone(endpoints: readonly Endpoint[]): void
}

/** Connections kept at once; flows to further processes end when they are silent for too long. */
const WATCH_LIMIT = 256
const REQUEST = { ask: 'watch' } as const
const QUESTION = `${JSON.stringify(REQUEST)}\n`

export class Neighbours {
  readonly #options: NeighbourOptions
  /** Endpoints of this host that were met, watched or not to be found. */
  readonly #met = new Set<string>()
  /** Flows come in runs to one peer. */
  #lastMet: Endpoint | undefined
  /** By the path of the status socket. */
  readonly #watches = new Map<string, Socket>()
  #isClosed = false

  constructor(options: NeighbourOptions) {
    this.#options = options
  }

  /** A flow has its peer at `remote`. */
  meet(remote: Endpoint): void {
    if (this.#lastMet !== undefined && sameEndpoint(this.#lastMet, remote)) return
    this.#lastMet = remote
    if (!this.#options.isOwn(remote.address) || this.#met.has(formatEndpoint(remote))) return
    this.#met.add(formatEndpoint(remote))
    for (const path of this.#options.runtimeDirectory.statusSockets()) {
      if (path === this.#options.statusSocket) continue
      // One that is watched may have a new address.
      const watched = this.#watches.get(path)
      if (watched !== undefined) watched.write(QUESTION)
      else if (this.#watches.size < WATCH_LIMIT) this.#watch(path, remote)
    }
  }

  /** What the other stacks of this host answer. */
  async ask(request: StatusRequest): Promise<StackStatus[]> {
    const { runtimeDirectory, hostId, statusSocket } = this.#options
    const answers = await askStacks(runtimeDirectory, request, { except: statusSocket })
    return answers.filter(answer => answer.hostId === hostId)
  }

  close(): void {
    this.#isClosed = true
    for (const connection of this.#watches.values()) connection.destroy()
    this.#watches.clear()
  }

  /** The process there may be the one at `remote`. */
  #watch(path: string, remote: Endpoint): void {
    const connection = createConnection(path)
    let endpoints: readonly Endpoint[] = []
    let text = ''
    let isUnanswered = false
    this.#watches.set(path, connection)
    connection.unref()
    connection.setEncoding('utf8')
    connection.write(QUESTION)
    connection.on('connect', () => {
      isUnanswered = true
    })
    connection.on('data', (chunk: string) => {
      isUnanswered = false
      text += chunk
      if (!text.endsWith('\n')) return
      endpoints = this.#endpointsOf(text)
      text = ''
      // It has no flow with this stack (yet).
      if (endpoints.some(endpoint => this.#met.has(formatEndpoint(endpoint)))) return
      endpoints = []
      connection.destroy()
    })
    connection.on('error', () => connection.destroy())
    connection.on('close', () => {
      if (!this.#watches.delete(path)) return
      for (const endpoint of endpoints) this.#met.delete(formatEndpoint(endpoint))
      this.#lastMet = undefined
      if (endpoints.length > 0) this.#askWhetherGone(path, () => this.#options.onGone(endpoints))
      else if (isUnanswered) this.#askWhetherGone(path, () => void this.#askForOwner(remote))
    })
  }

  /** A process was killed before it could say which endpoints are its own: `remote` was one, if nobody else has it. */
  async #askForOwner(remote: Endpoint): Promise<void> {
    const { runtimeDirectory, statusSocket, onGone } = this.#options
    const others = await askStacks(runtimeDirectory, REQUEST, { except: statusSocket })
    const isThere = others.some(({ endpoints }) => endpoints.includes(formatEndpoint(remote)))
    if (!isThere) onGone([remote])
  }

  /** The connection ended: with its process, or by some accident? */
  #askWhetherGone(path: string, onGone: () => void): void {
    if (this.#isClosed) return
    const connection = createConnection(path)
    let isKnown = false
    connection.unref()
    connection.write(QUESTION)
    connection.on('data', () => {
      isKnown = true
      connection.destroy()
    })
    connection.on('error', (error: NodeJS.ErrnoException) => {
      isKnown = error.code !== 'ECONNRESET' && error.code !== 'EPIPE'
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') onGone()
    })
    // The kernel closes what a process had open one by one, and its listening socket may be the last.
    connection.on('close', () => isKnown || this.#askWhetherGone(path, onGone))
  }

  #endpointsOf(line: string): readonly Endpoint[] {
    try {
      const { hostId, endpoints }: StackStatus = JSON.parse(line)
      if (hostId !== this.#options.hostId) return []
      return endpoints.flatMap(text => parseEndpoint(text) ?? [])
    } catch {
      return []
    }
  }
}
