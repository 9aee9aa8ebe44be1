/**
 * The migration table: state x input -> next state and what to do. Data only; `migration.ts` runs it.
 *
 *   mover                                  peer
 *   RSYN (new address)            ---->    a candidate: the source of this copy
 *                                 <----    RSYN-ACK with a fresh CHALLENGE, to that source
 *   ACK with the echo             ---->    the candidate is proven: adopt it
 *                                 <----    ACK: the mover knows
 *
 * Data goes on over the old path meanwhile: the peer's until the echo, the mover's until the RSYN-ACK. Both ends may
 * move at once (RSYN_SENT_RECV): each adopts the other's new address and keeps its own. An end without any address
 * waits in NOADDRESS; nothing counts against the peer there.
 */
import type { MigrationState } from './states.ts'

export const migrationInputs = ['move', 'lost', 'RSYN', 'RSYN_ACK', 'confirmed', 'echo', 'expired'] as const
/**
 * `move`: this end has a new address for the flow. `lost`: it has none left. `RSYN`, `RSYN_ACK`: with a valid TAG.
 * `confirmed`: the peer, which knows of the newest RSYN, was heard on this end's new path. `echo`: a candidate of the
 * peer's returned its CHALLENGE. `expired`: the last candidate went unproven.
 */
export type MigrationInput = (typeof migrationInputs)[number]

export type MigrationAction =
  /** Send RSYN from the newest address until confirmed. */
  | 'sendRsyn'
  /** Answer the source of this RSYN with RSYN-ACK and a CHALLENGE of its own. */
  | 'challenge'
  /** Keep the candidate, to be answered once there is an address to answer from. */
  | 'remember'
  /** Use this end's new path from now on. */
  | 'adoptOwn'
  /** Answer RSYN-ACK with ACK and the echo. */
  | 'sendEcho'
  /** Send to the peer's proven address from now on. */
  | 'adoptPeer'
  /** Send ACK on the adopted path, so that the mover knows. */
  | 'confirm'
  /** This end's move is done. */
  | 'endMove'
  /** Tell the program that the path has changed. */
  | 'moved'
  /** Stop all timers of the stream; tell the program. */
  | 'suspend'

/** `ignored`: counted, nothing else. */
export type MigrationCell = readonly [next: MigrationState, ...MigrationAction[]] | 'ignored'

export const migrationTable: Readonly<
  Record<MigrationState, Readonly<Record<MigrationInput, MigrationCell>>>
> = {
  INITIAL: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_RECV', 'challenge'],
    RSYN_ACK: ['INITIAL', 'sendEcho'],
    confirmed: 'ignored',
    echo: 'ignored',
    expired: 'ignored',
  },
  RSYN_SENT: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_SENT_RECV', 'challenge'],
    RSYN_ACK: ['RSYN_SENT', 'adoptOwn', 'sendEcho'],
    confirmed: ['INITIAL', 'endMove', 'moved'],
    echo: 'ignored',
    expired: 'ignored',
  },
  RSYN_RECV: {
    move: ['RSYN_SENT_RECV', 'sendRsyn', 'challenge'],
    lost: ['NOADDRESS_RSYN_RECV', 'suspend'],
    RSYN: ['RSYN_RECV', 'challenge'],
    RSYN_ACK: ['RSYN_RECV', 'sendEcho'],
    confirmed: 'ignored',
    echo: ['INITIAL', 'adoptPeer', 'confirm', 'moved'],
    expired: ['INITIAL'],
  },
  RSYN_SENT_RECV: {
    move: ['RSYN_SENT_RECV', 'sendRsyn', 'challenge'],
    lost: ['NOADDRESS_RSYN_RECV', 'suspend'],
    RSYN: ['RSYN_SENT_RECV', 'challenge'],
    RSYN_ACK: ['RSYN_SENT_RECV', 'adoptOwn', 'sendEcho'],
    confirmed: ['RSYN_RECV', 'endMove', 'moved'],
    echo: ['RSYN_SENT', 'adoptPeer', 'confirm', 'moved'],
    expired: ['RSYN_SENT'],
  },
  NOADDRESS: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: 'ignored',
    RSYN: ['NOADDRESS_RSYN_RECV', 'remember'],
    RSYN_ACK: 'ignored',
    confirmed: 'ignored',
    echo: 'ignored',
    expired: 'ignored',
  },
  NOADDRESS_RSYN_RECV: {
    move: ['RSYN_SENT_RECV', 'sendRsyn', 'challenge'],
    lost: 'ignored',
    RSYN: ['NOADDRESS_RSYN_RECV', 'remember'],
    RSYN_ACK: 'ignored',
    confirmed: 'ignored',
    echo: 'ignored',
    expired: 'ignored',
  },
}
