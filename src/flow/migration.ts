/**
 * Runs the migration table of one flow: its own moves, and the peer's candidates.
 *
 * A candidate is keyed by the address it is answered at (local socket, remote address). It counts as proven only by the
 * echo of its own CHALLENGE, tagged and from there; the highest proven verno wins, so a late copy of an older move
 * cannot undo a newer one. A mover repeats all its outstanding RSYNs from its newest address until the peer has shown
 * that it uses it: the last ACK is as safe as the first RSYN.
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
  suspend(): void
  signal(bits: number): void
  count(counter: string): void
  /** Another address of this host from which `remote` may be reached, when RSYN from `local` stays unanswered. */
  anotherLocal(local: Local, remote: Endpoint): Local | undefined
  /** Whether this host still has it. */
  hasLocal(local: Local): boolean
}

/** Candidates of the peer's that are kept at once. */
export const CANDIDATE_LIMIT = 4
/** A candidate is dropped after so many probe time-outs without its echo. */
const CANDIDATE_PTOS = 3
/** RSYN and RSYN-ACK are repeated after twice the retransmission time-out of the path in use, then doubled each time. */
const FIRST_REPEAT_MS = { min: 50, max: 1000 }
/** The wait grows to so many times the first: an address that works again is found within seconds. */
const MAX_DOUBLINGS = 3
/** After so many unanswered RSYNs another local address is tried. */
const REPEATS_PER_ADDRESS = 2
/** But not before this while the flow goes on from the address in use: a peer that is busy for a moment is no reason to stay there. */
const PATIENCE_MS = 1000

export class Migration {
  readonly #host: MigrationHost
  #state: MigrationState = 'INITIAL'
  /** This end's new path, from `move` to `confirmed`. */
  #own: Path | undefined
  #ownAdopted = false
  /** The newest RSYN: repeated until the move is confirmed, even when its number is acknowledged. */
  #newestRsyn: Outstanding | undefined
  #rsynRepeats = 0
  /** When this end was last told where to move. */
  #movingSince = 0
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
    this.#leaveFrom(local, remote)
    this.#ownAdopted = false
    this.#rsynRepeats = 0
    this.#movingSince = nowMs
    if (this.#outstandingRsyns().length < OUTSTANDING_LIMIT / 2)
      this.#newestRsyn = this.#host.channel.queue('RSYN')
    this.#step('move', nowMs)
  }

  /** This end has no address left. */
  lost(nowMs: number): void {
    this.#own = undefined
    this.#ownAdopted = false
    // They cannot be asked now, so their time does not run.
    for (const candidate of this.#candidates) candidate.expiresAt = Number.POSITIVE_INFINITY
    this.#step('lost', nowMs)
  }

  /** A tagged RSYN of `bytes` bytes came from `remote` to `local`. `verno` has been taken by the control channel. */
  handleRsyn(verno: number, local: Local, remote: Endpoint, bytes: number, nowMs: number): void {
    const from = this.#own?.local ?? local
    const { active } = this.#host.paths
    const proven = this.#provenVerno
    // The mover has not heard that its move is done.
    if (verno === proven && active?.joins(from.id, remote)) return this.#challenge(active, nowMs)
    if (proven !== undefined && serialLt(verno, proven)) {
      if (active) this.#host.outbox.put({ kind: 'ACK', path: active })
      return this.#host.count('rsynStale')
    }
    let candidate = this.#candidates.find(path => path.joins(from.id, remote))
    if (candidate === undefined) {
      candidate = this.#host.paths.open(from, remote)
      this.#admit(candidate)
    }
    if (candidate.verno === undefined || serialLt(candidate.verno, verno)) candidate.verno = verno
    candidate.credit.receivedBytes += bytes
    this.#step('RSYN', nowMs, candidate)
  }

  /** A tagged RSYN-ACK of `bytes` bytes with `challenge` came from `remote` to `local`. */
  handleRsynAck(challenge: Uint8Array, local: Local, remote: Endpoint, bytes: number, nowMs: number): void {
    const own = this.#own ?? this.#host.paths.active
    if (own?.local !== local) return this.#host.count('rsynAckElsewhere')
    if (this.#own && this.#newestRsyn && this.#rsynRepeats === 0 && !this.#ownAdopted)
      own.transport.rtt.sample(nowMs - this.#newestRsyn.sentAt)
    // The peer may have moved too: the echo goes to where the challenge came from.
    const asker = own.joins(local.id, remote) ? own : this.#host.paths.open(local, remote)
    asker.credit.receivedBytes += bytes
    this.#step('RSYN_ACK', nowMs, asker, challenge)
  }

  /**
   * A tagged ACK without a CHALLENGE came to `localId`: the peer uses this end's new path if it knew of the newest RSYN.
   * What was sent before may still come to an address that this end has come back to; and neither an echo nor a question
   * says what its sender has adopted: who has not, asks where our data comes from (rebinding.ts).
   */
  handleAck(ackno: number, localId: number, nowMs: number): void {
    const newest = this.#newestRsyn
    if (!this.#ownAdopted || this.#own?.local.id !== localId || newest === undefined) return
    if (serialLt(newest.verno, ackno)) this.#step('confirmed', nowMs)
  }

  /** A tagged echo came from `remote` to `localId`; returns whether it proved something. */
  handleEcho(echo: Uint8Array, localId: number, remote: Endpoint, nowMs: number): boolean {
    const { active } = this.#host.paths
    const answers = (path: Path) =>
      path.joins(localId, remote) && path.challenge !== undefined && sameBytes(path.challenge, echo)
    if (active && answers(active)) {
      active.challenge = undefined
      this.#host.outbox.put({ kind: 'ACK', path: active })
      return true
    }
    const candidate = this.#candidates.find(answers)
    if (candidate === undefined) return false
    if (candidate.challenges === 1) candidate.transport.rtt.sample(nowMs - candidate.challengedAt)
    candidate.proven = true
    candidate.challenge = undefined
    this.#provenVerno = candidate.verno
    this.#candidates = this.#candidates.filter(other => serialLt(candidate.verno!, other.verno!))
    if (this.#candidates.length === 0) this.#host.timers.disarm('candidates')
    this.#step('echo', nowMs, candidate)
    for (const newer of this.#candidates) this.#step('RSYN', nowMs, newer)
    return true
  }

  /** The timer `rsyn`. */
  handleRsynDue(nowMs: number): void {
    const own = this.#own
    if (own === undefined) return
    this.#rsynRepeats++
    if (this.#rsynRepeats % REPEATS_PER_ADDRESS === 0 && !this.#ownAdopted && !this.#canWait(nowMs)) {
      const other = this.#host.anotherLocal(own.local, own.remote)
      if (other) this.#leaveFrom(other, own.remote)
    }
    this.#sendRsyn(nowMs)
  }

  /** The timer `candidates`: drops what has expired, challenges the rest again. */
  handleCandidatesDue(nowMs: number): void {
    this.#candidates = this.#candidates.filter(path => path.expiresAt > nowMs)
    if (this.#candidates.length === 0) this.#step('expired', nowMs)
    else for (const path of this.#candidates) this.#challenge(path, nowMs)
  }

  #canWait(nowMs: number): boolean {
    const { active } = this.#host.paths
    if (active === undefined || nowMs - this.#movingSince >= PATIENCE_MS) return false
    return this.#host.hasLocal(active.local)
  }

  #step(input: MigrationInput, nowMs: number, path?: Path, challenge?: Uint8Array): void {
    const cell = migrationTable[this.#state][input]
    if (cell === 'ignored') return this.#host.count(`migration:${this.#state}:${input}`)
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
    const { outbox, timers, paths } = this.#host
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
        this.#adoptOwn(nowMs)
        break
      case 'sendEcho':
        if (path && challenge) outbox.put({ kind: 'ACK', path, echo: challenge })
        break
      case 'adoptPeer':
        if (path) this.#adoptPeer(path, nowMs)
        break
      case 'confirm':
        if (paths.active) outbox.put({ kind: 'ACK', path: paths.active })
        break
      case 'endMove':
        this.#own = undefined
        this.#ownAdopted = false
        timers.disarm('rsyn')
        break
      case 'moved':
        this.#host.signal(FlowSignal.moved)
        break
      case 'suspend':
        timers.disarm('rsyn')
        timers.disarm('candidates')
        this.#host.suspend()
        break
    }
  }

  #adoptOwn(nowMs: number): void {
    if (this.#own === undefined || this.#ownAdopted) return
    this.#ownAdopted = true
    this.#host.adopt(this.#own, nowMs)
  }

  /** The peer's new address becomes the destination of this end's own move as well. */
  #adoptPeer(path: Path, nowMs: number): void {
    this.#host.adopt(path, nowMs)
    if (this.#own === undefined) return
    this.#own = path
    this.#ownAdopted = true
  }

  /** RSYN goes from `local` from now on, and so do the answers to the peer's candidates. */
  #leaveFrom(local: Local, remote: Endpoint): void {
    const { paths, outbox } = this.#host
    // What was to leave from the address before goes from this one.
    outbox.clear(due => due.kind !== 'RSYN' && !this.#candidates.includes(due.path))
    this.#own = paths.open(local, remote)
    this.#own.proven = paths.proves(remote)
    this.#candidates = this.#candidates.map(candidate => {
      const again = paths.open(local, candidate.remote, candidate.credit)
      again.verno = candidate.verno
      again.expiresAt = candidate.expiresAt
      return again
    })
  }

  #sendRsyn(nowMs: number): void {
    const own = this.#own
    const newest = this.#newestRsyn
    if (own === undefined || newest === undefined) return
    const older = this.#outstandingRsyns().filter(entry => entry !== newest)
    for (const entry of [...older, newest]) this.#host.outbox.put({ kind: 'RSYN', path: own, entry })
    this.#host.timers.arm('rsyn', nowMs + this.#repeatMs(this.#rsynRepeats))
  }

  #challenge(path: Path, nowMs: number): void {
    path.challenge ??= this.#host.randomBytes(8)
    this.#host.outbox.put({ kind: 'RSYN_ACK', path })
    if (path.proven) return
    if (path.expiresAt === Number.POSITIVE_INFINITY) {
      path.expiresAt = nowMs + CANDIDATE_PTOS * path.transport.rtt.ptoMs
    }
    const expiresAt = Math.min(...this.#candidates.map(candidate => candidate.expiresAt))
    this.#host.timers.arm('candidates', Math.min(nowMs + this.#repeatMs(path.challenges), expiresAt))
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

  #repeatMs(repeats: number): number {
    const rtoMs = this.#host.paths.active?.transport.rtt.rtoMs ?? FIRST_REPEAT_MS.max
    const firstMs = Math.min(FIRST_REPEAT_MS.max, Math.max(FIRST_REPEAT_MS.min, 2 * rtoMs))
    return firstMs * 2 ** Math.min(repeats, MAX_DOUBLINGS)
  }
}
