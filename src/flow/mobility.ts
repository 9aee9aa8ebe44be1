/**
 * Where a flow's packets leave from and go to: its own moves and the peer's (migration.ts), a peer whose address changes
 * without its knowing (rebinding.ts), and the size of packets on the way (path-search.ts). Most flows never move and never
 * send much, so each is made when it is first needed.
 */
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { Connection } from './connection.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import { Migration } from './migration.ts'
import type { Local, Path } from './path.ts'
import { PathSearch } from './path-search.ts'
import { Rebinding } from './rebinding.ts'
import { FlowSignal, type MigrationState } from './states.ts'

export class Mobility<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  readonly #connection: Connection<F>
  #migration: Migration | undefined
  #rebinding: Rebinding | undefined
  #search: PathSearch | undefined

  constructor(parts: FlowParts<F>, transport: FlowTransport, connection: Connection<F>) {
    this.#parts = parts
    this.#transport = transport
    this.#connection = connection
  }

  get state(): MigrationState {
    return this.#migration?.state ?? 'INITIAL'
  }

  /** Undefined: neither end has ever moved. */
  get migration(): Migration | undefined {
    return this.#migration
  }

  /** For whoever has something for it to do. */
  get migrating(): Migration {
    const { context } = this.#parts
    this.#migration ??= new Migration({
      ...this.#parts,
      randomBytes: n => context.randomBytes(n),
      adopt: (path, now) => this.#adopt(path, now),
      suspend: () => this.#suspend(),
      signal: bits => context.signal(this.#parts.flow, bits),
      count: counter => context.count(counter),
      anotherLocal: (local, remote) => context.anotherLocal(local, remote),
      hasLocal: local => context.hasLocal(local),
    })
    return this.#migration
  }

  get rebinding(): Rebinding {
    const { context, flow } = this.#parts
    this.#rebinding ??= new Rebinding({
      ...this.#parts,
      randomBytes: n => context.randomBytes(n),
      mayRebind: () => this.#connection.isMovable && !this.#transport.isSuspended && this.state === 'INITIAL',
      rebound: (path, now) => {
        this.#adopt(path, now)
        context.signal(flow, FlowSignal.moved)
      },
      count: counter => context.count(counter),
    })
    return this.#rebinding
  }

  get search(): PathSearch {
    const { outbox, context } = this.#parts
    this.#search ??= new PathSearch(outbox, n => context.randomBytes(n))
    return this.#search
  }

  /** Whether the flow waits for an address, or for one from which its peer can be reached. */
  get waitsForAddress(): boolean {
    return this.state.startsWith('NOADDRESS')
  }

  /** A new address of this host's has come, or one of it has been chosen, for this flow. */
  move(local: Local, nowMs: number): void {
    if (!this.#connection.isMovable) return
    const { context, flow } = this.#parts
    this.#connection.handleAsked(nowMs)
    this.migrating.move(local, nowMs)
    context.wake(flow)
    context.rearm(flow)
  }

  /** `local` has gone; `other` is the best of what is left. */
  localLost(local: Local, other: Local | undefined, nowMs: number): void {
    if (!this.#connection.isMovable) return
    if (this.#parts.paths.active?.local === local) this.#transport.suspend()
    if (!this.#leavesFrom(local)) return
    if (other) this.move(other, nowMs)
    else this.migrating.lost(nowMs)
    this.#parts.context.rearm(this.#parts.flow)
  }

  /** The system has refused a packet from `local`, to `remote` if that is known, as too long. */
  handleTooLong(localId: number, remote: Endpoint | undefined): void {
    const { context, flow, paths } = this.#parts
    const path = paths.active
    if (path?.local.id !== localId || (remote && !sameEndpoint(path.remote, remote))) return
    this.search.handleRefused(path, this.#transport)
    context.wake(flow)
  }

  /** The interface of `local` has changed. */
  localChanged(local: Local): void {
    const { context, flow, paths } = this.#parts
    const path = paths.active
    if (path?.local !== local) return
    this.search.handleInterface(path, this.#transport)
    context.wake(flow)
  }

  /** HOT. `batch` leaves by `path`. */
  handleData(path: Path, batch: TransmitBatch, nowMs: number): void {
    if (nowMs < path.mtu.dueAt || !this.#transport.fills(batch.segmentBytes, path.mtu.packetBytes)) return
    this.search.handleData(path, this.#transport, nowMs)
  }

  /** A tagged echo of a CHALLENGE has come from `remote` to `localId`; false if it answers nothing that is asked here. */
  handleEcho(echo: Uint8Array, localId: number, remote: Endpoint, nowMs: number): boolean {
    return (
      this.#migration?.handleEcho(echo, localId, remote, nowMs) ||
      this.#rebinding?.handleEcho(echo, localId, remote, nowMs) ||
      this.#search?.handleEcho(echo) ||
      false
    )
  }

  #adopt(path: Path, nowMs: number): void {
    this.#parts.paths.adopt(path)
    this.#transport.adopt(path.transport, nowMs)
    this.#connection.handleMoved(path, nowMs)
  }

  #suspend(): void {
    this.#transport.suspend()
    this.#parts.context.signal(this.#parts.flow, FlowSignal.stalled)
  }

  /** Whether packets leave from `local`, or will once a move is done. */
  #leavesFrom(local: Local): boolean {
    return (this.#migration?.ownPath ?? this.#parts.paths.active)?.local === local
  }
}
