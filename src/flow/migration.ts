/**
 * Runs the migration table of one flow: its own moves, and the peer's candidates.
 *
 * A candidate is keyed by the address it is answered at (local socket, remote address). It counts as proven only by the
 * echo of its own CHALLENGE, tagged and from there; the highest proven verno wins, so a late copy of an older move
 * cannot undo a newer one. A mover repeats all its outstanding RSYNs from its newest address until the peer is heard
 * there: the last ACK is as safe as the first RSYN.
 */
import { serialLt } from '../id/serial.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { type ControlChannel, OUTSTANDING_LIMIT, type Outstanding } from './control-channel.ts'
import { type MigrationAction, type MigrationInput, migrationTable } from './migration-table.ts'
import type { Outbox } from './outbox.ts'
import type { Local, Path } from './path.ts'
import type { PathSet } from './path-set.ts'
import { sameBytes } from './setup.ts'
import { FlowSignal, type MigrationState } from './states.ts'
import type { FlowTimers } from './timers.ts'

/** What migration needs of its flow. */
export interface MigrationHost {
  readonly channel: ControlChannel<unknown>
  readonly outbox: Outbox
  readonly timers: FlowTimers
  readonly paths: PathSet
  randomBytes(n: number): Uint8Array
  /** Sends on `path` from now on. */
  adopt(path: Path, nowMs: number): void
  /** No address is left: nothing can be sent. */
  suspend(nowMs: number): void
  signal(bits: number): void
  count(counter: string): void
  /** Another address of this host from which `remote` may be reached, when RSYN from `local` stays unanswered. */
  anotherLocal(local: Local, remote: Endpoint): Local | undefined
}

/** Candidates of the peer's that are kept at once. */
export const CANDIDATE_LIMIT = 4
/** A candidate is dropped after so many probe time-outs without its echo. */
const CANDIDATE_PTOS = 3
/** RSYN and RSYN-ACK are repeated after twice the retransmission time-out of the path in use, doubled each time. */
const FIRST_REPEAT_MS = { min: 50, max: 1000 }
/** After so many unanswered RSYNs another local address is tried. */
const REPEATS_PER_ADDRESS = 2

export class Migration {
  readonly #host: MigrationHost
  #state: MigrationState = 'INITIAL'
  /** This end's new path, from `move` to `confirmed`. */
  #own: Path | undefined
  #ownAdopted = false
  /** The newest RSYN: repeated until the move is confirmed, even when its number is acknowledged. */
  #newestRsyn: Outstanding | undefined
  #rsynRepeats = 0
  /** The peer's moves that wait for their echo. */
  #candidates: Path[] = []
  /** The verno of the peer's newest proven move. */
  #provenVerno: number | undefined

  constructor(host: MigrationHost) {
    this.#host = host
  }

  get state(): MigrationState {
    return this.#state
  }

  /** Whether this end has a new path that the peer has not been heard on yet. */
  awaitsConfirmation(localId: number): boolean {
    return this.#ownAdopted && this.#own?.local.id === localId
  }

  /** Where RSYN goes from, while this end moves. */
  get ownPath(): Path | undefined {
    return this.#own
  }

  get candidates(): readonly Path[] {
    return this.#candidates
  }

  /** This end uses `local` for the flow from now on. */
  move(local: Local, nowMs: number): void {
    const remote = this.#own?.remote ?? this.#host.paths.active?.remote
    if (remote === undefined) return
    this.#own = this.#openOwn(local, remote)
    this.#ownAdopted = false
    this.#rsynRepeats = 0
    if (this.#outstandingRsyns().length < OUTSTANDING_LIMIT / 2)
      this.#newestRsyn = this.#host.channel.queue('RSYN')
    this.#step('move', nowMs)
  }

  /** This end has no address left. */
  lost(nowMs: number): void {
    this.#own = undefined
    this.#ownAdopted = false
    this.#step('lost', nowMs)
  }

  /** A tagged RSYN of `bytes` bytes came from `remote` to `local`. `verno` has been taken by the control channel. */
  handleRsyn(verno: number, local: Local, remote: Endpoint, bytes: number, nowMs: number): void {
    const from = this.#own?.local ?? local
    const active = this.#host.paths.active
    if (this.#provenVerno !== undefined && !serialLt(this.#provenVerno, verno)) {
      if (verno === this.#provenVerno && active?.joins(from.id, remote)) this.#challenge(active, nowMs)
      else if (active) this.#host.outbox.put({ kind: 'ACK', path: active })
      this.#host.count('rsynStale')
      return
    }
    let candidate = this.#candidates.find(path => path.joins(from.id, remote))
    if (candidate === undefined) {
      candidate = this.#host.paths.open(from, remote)
      this.#admit(candidate)
    }
    candidate.verno =
      candidate.verno === undefined || serialLt(candidate.verno, verno) ? verno : candidate.verno
    candidate.receivedBytes += bytes
    this.#step('RSYN', nowMs, candidate)
  }

  /** A tagged RSYN-ACK came to `localId` with `challenge`. */
  handleRsynAck(challenge: Uint8Array, localId: number, nowMs: number): void {
    const path = this.#own ?? this.#host.paths.active
    if (path === undefined || path.local.id !== localId) {
      this.#host.count('rsynAckElsewhere')
      return
    }
    if (this.#rsynRepeats === 0 && this.#own && !this.#ownAdopted)
      path.transport.rtt.sample(nowMs - (this.#newestRsyn?.sentAt ?? nowMs))
    this.#step('RSYN_ACK', nowMs, path, challenge)
  }

  /** The peer was heard, with something other than RSYN-ACK, on this end's new path. */
  handleConfirmed(nowMs: number): void {
    this.#step('confirmed', nowMs)
  }

  /** A tagged echo came from `remote` to `localId`; returns whether it proved a candidate. */
  handleEcho(echo: Uint8Array, localId: number, remote: Endpoint, nowMs: number): boolean {
    const active = this.#host.paths.active
    if (active?.joins(localId, remote) && active.challenge && sameBytes(active.challenge, echo)) {
      active.challenge = undefined
      this.#host.outbox.put({ kind: 'ACK', path: active })
      return true
    }
    const candidate = this.#candidates.find(
      path => path.joins(localId, remote) && path.challenge !== undefined && sameBytes(path.challenge, echo),
    )
    if (candidate === undefined) return false
    if (candidate.challenges === 1) candidate.transport.rtt.sample(nowMs - candidate.challengedAt)
    candidate.proven = true
    candidate.challenge = undefined
    candidate.expiresAt = Number.POSITIVE_INFINITY
    this.#provenVerno = candidate.verno
    this.#candidates = []
    this.#host.timers.disarm('candidates')
    this.#step('echo', nowMs, candidate)
    return true
  }

  /** The timer `rsyn`. */
  handleRsynDue(nowMs: number): void {
    if (this.#own === undefined) return
    this.#rsynRepeats++
    if (this.#rsynRepeats % REPEATS_PER_ADDRESS === 0 && !this.#ownAdopted) {
      const other = this.#host.anotherLocal(this.#own.local, this.#own.remote)
      if (other) this.#own = this.#openOwn(other, this.#own.remote)
    }
    this.#sendRsyn(nowMs)
  }

  /** The timer `candidates`: drops what has expired, challenges the rest again. */
  handleCandidatesDue(nowMs: number): void {
    this.#candidates = this.#candidates.filter(path => path.expiresAt > nowMs)
    if (this.#candidates.length === 0) this.#step('expired', nowMs)
    else for (const path of this.#candidates) this.#challenge(path, nowMs)
  }

  #step(input: MigrationInput, nowMs: number, path?: Path, challenge?: Uint8Array): void {
    const cell = migrationTable[this.#state][input]
    if (cell === 'ignored') {
      this.#host.count(`migration:${this.#state}:${input}`)
      return
    }
    const [next, ...actions] = cell
    this.#state = next
    for (const action of actions) this.#run(action, nowMs, path, challenge)
  }

  #run(
    action: MigrationAction,
    nowMs: number,
    path: Path | undefined,
    challenge: Uint8Array | undefined,
  ): void {
    const { outbox, timers } = this.#host
    switch (action) {
      case 'sendRsyn':
        this.#sendRsyn(nowMs)
        break
      case 'challenge':
        for (const candidate of path ? [path] : this.#candidates) this.#challenge(candidate, nowMs)
        break
      case 'remember':
        break
      case 'adoptOwn':
        if (path && !this.#ownAdopted) {
          this.#ownAdopted = true
          path.proven = true
          this.#host.adopt(path, nowMs)
        }
        break
      case 'sendEcho':
        if (path && challenge) outbox.put({ kind: 'ACK', path, echo: challenge })
        break
      case 'adoptPeer':
        if (path) this.#adoptPeer(path, nowMs)
        break
      case 'confirm':
        if (this.#host.paths.active) outbox.put({ kind: 'ACK', path: this.#host.paths.active })
        break
      case 'moved':
        if (this.#ownAdopted) this.#endOwnMove()
        this.#host.signal(FlowSignal.moved)
        break
      case 'suspend':
        timers.disarm('rsyn')
        this.#host.suspend(nowMs)
        break
    }
  }

  /** The peer's new address becomes the destination of this end's own move as well. */
  #adoptPeer(path: Path, nowMs: number): void {
    this.#host.adopt(path, nowMs)
    if (this.#own) {
      this.#own = path
      this.#ownAdopted = true
    }
  }

  /** A new path to an address of the peer's that is known to be its own. */
  #openOwn(local: Local, remote: Endpoint): Path {
    const path = this.#host.paths.open(local, remote)
    path.proven = this.#host.paths.proves(remote)
    return path
  }

  #endOwnMove(): void {
    this.#own = undefined
    this.#ownAdopted = false
    this.#host.timers.disarm('rsyn')
  }

  #sendRsyn(nowMs: number): void {
    const own = this.#own
    const newest = this.#newestRsyn
    if (own === undefined || newest === undefined) return
    const older = this.#outstandingRsyns().filter(entry => entry !== newest)
    for (const entry of [...older, newest]) this.#host.outbox.put({ kind: 'RSYN', path: own, entry })
    this.#host.timers.arm('rsyn', nowMs + this.#repeatMs() * 2 ** Math.min(this.#rsynRepeats, 6))
  }

  #challenge(path: Path, nowMs: number): void {
    path.challenge ??= this.#host.randomBytes(8)
    this.#host.outbox.put({ kind: 'RSYN_ACK', path })
    if (path.proven) return
    if (path.expiresAt === Number.POSITIVE_INFINITY) {
      path.expiresAt = nowMs + CANDIDATE_PTOS * path.transport.rtt.ptoMs
    }
    const again = nowMs + this.#repeatMs() * 2 ** Math.min(path.challenges, 6)
    const expiry = Math.min(...this.#candidates.map(candidate => candidate.expiresAt))
    this.#host.timers.arm('candidates', Math.min(again, expiry))
  }

  /** Keeps at most `CANDIDATE_LIMIT`: the oldest move goes first. */
  #admit(candidate: Path): void {
    if (this.#candidates.length >= CANDIDATE_LIMIT) {
      this.#candidates.shift()
      this.#host.count('candidateDropped')
    }
    this.#candidates.push(candidate)
  }

  #outstandingRsyns(): Outstanding[] {
    return this.#host.channel.outstanding.filter(entry => entry.kind === 'RSYN')
  }

  #repeatMs(): number {
    const rto = this.#host.paths.active?.transport.rtt.rtoMs ?? FIRST_REPEAT_MS.max
    return Math.min(FIRST_REPEAT_MS.max, Math.max(FIRST_REPEAT_MS.min, 2 * rto))
  }
}
