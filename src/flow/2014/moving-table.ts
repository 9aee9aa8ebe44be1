/**
 * Migration in the 2014 profile: state x input -> next state and what to do (src/wire/README.md, A11). Data only.
 *
 *   mover                                  peer
 *   RSYN (from the new address)   ---->
 *                                 <----    RSYN-ACK, to the source of the RSYN, until it is acknowledged
 *   ACK                           ---->    sends to the new address from now on
 *
 * Nothing proves an address but that RSYN-ACK was answered from there. Where both move at once each takes the other's
 * new address and, unlike the prototype, its own new one too.
 */
import type { MigrationState } from '../states.ts'

export const movingInputs = ['move', 'lost', 'RSYN', 'RSYN_ACK', 'ACK'] as const
/** `ACK`: one without RSYN, in range. `RSYN_ACK`: of the newest RSYN, where one is out. */
export type MovingInput = (typeof movingInputs)[number]

export type MovingAction =
  /** Send RSYN from the newest address until RSYN-ACK comes. */
  | 'sendRsyn'
  /** Answer the source of the RSYN with RSYN-ACK, until an ACK comes. */
  | 'answerRsyn'
  /** Answer RSYN-ACK. */
  | 'sendAck'
  /** Send from the newest address from now on. */
  | 'adoptOwn'
  /** Send to where RSYN came from. */
  | 'adoptPeer'
  /** Tell the program that the path has changed. */
  | 'moved'
  /** There is nowhere to send from. */
  | 'suspend'

export type MovingCell = readonly [next: MovingState, ...MovingAction[]] | 'ignored'

export type MovingState = Exclude<MigrationState, 'NOADDRESS_RSYN_RECV'>

export const movingTable: Readonly<Record<MovingState, Readonly<Record<MovingInput, MovingCell>>>> = {
  INITIAL: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_RECV', 'answerRsyn'],
    // A copy: the peer has not heard our ACK.
    RSYN_ACK: ['INITIAL', 'sendAck'],
    ACK: 'ignored',
  },
  RSYN_SENT: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_SENT_RECV', 'answerRsyn'],
    RSYN_ACK: ['INITIAL', 'adoptOwn', 'sendAck', 'moved'],
    // An original that has lost two RSYN-ACKs says no more than that: the next RSYN, with a new number, is answered.
    ACK: 'ignored',
  },
  RSYN_RECV: {
    move: ['RSYN_SENT_RECV', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_RECV', 'answerRsyn'],
    RSYN_ACK: ['RSYN_RECV', 'sendAck'],
    ACK: ['INITIAL', 'adoptPeer', 'moved'],
  },
  RSYN_SENT_RECV: {
    move: ['RSYN_SENT_RECV', 'sendRsyn'],
    lost: ['NOADDRESS', 'suspend'],
    RSYN: ['RSYN_SENT_RECV', 'answerRsyn'],
    RSYN_ACK: ['RSYN_RECV', 'adoptOwn', 'sendAck', 'moved'],
    ACK: ['RSYN_SENT', 'adoptPeer', 'moved'],
  },
  NOADDRESS: {
    move: ['RSYN_SENT', 'sendRsyn'],
    lost: 'ignored',
    RSYN: 'ignored',
    RSYN_ACK: 'ignored',
    ACK: 'ignored',
  },
}
