/**
 * The connection table: state x input -> next state and what to do. Data only; connection-machine.ts runs it.
 *
 * It is TCP's (RFC 9293 section 3.3.2) with the SAL's names and two differences. Inputs FIN and FIN_ACKED stand
 * for the whole truth: FIN comes when the peer's FIN is next in its control sequence *and* every byte before its
 * final offset is here, FIN_ACKED when the peer has acknowledged our FIN *and* every byte before it. So a state
 * says of the stream what TCP's says, although FIN is a control packet with a number of its own. And the third
 * ACK of set-up is repeated until the server is heard, so a repeated SYN-ACK is answered in every later state.
 *
 *   client:  INIT -connect-> REQUEST -SYN_ACK-> CONNECTED            server:  INIT -SYN-> RESPOND -ACK-> CONNECTED
 *   closer:  CONNECTED -end-> FINWAIT1 -FIN_ACKED-> FINWAIT2 -FIN-> TIMEWAIT -lingered, or told so-> CLOSED
 *   other:   CONNECTED -FIN-> CLOSEWAIT -end-> LASTACK -FIN_ACKED-> CLOSED
 *   both:    FINWAIT1 -FIN-> CLOSING -FIN_ACKED-> TIMEWAIT
 */
import type { FlowState } from './states.ts'

/** What a flow can be told: program calls in lower case, packets (and what they complete) in upper, then time. */
export const connectionInputs = [
  'connect',
  'end',
  'abort',
  'SYN',
  'SYN_ACK',
  'ACK',
  'NACK',
  'FIN',
  'FIN_ACKED',
  'RST',
  'gaveUp',
  'lingered',
] as const
export type ConnectionInput = (typeof connectionInputs)[number]

/** What a transition makes the flow do, in the order of the cell. */
export type ConnectionAction =
  /** Send SYN until it is answered. */
  | 'sendSyn'
  /** Send SYN-ACK until it is answered. */
  | 'sendSynAck'
  /** Send the third ACK until the server is heard from. */
  | 'sendThirdAck'
  /** Send FIN with the final offset until it is acknowledged. */
  | 'sendFin'
  /** Send one tagged RST. */
  | 'sendRst'
  /** Hand the new flow to its listener. */
  | 'accept'
  /** Tell the program that it is connected. */
  | 'connected'
  /** Tell the program that the peer's stream has ended. */
  | 'end'
  /** Remember the call and make it once the set-up is done. */
  | 'defer'
  /** Try another instance, or fail when none is left. */
  | 'tryAnother'
  /** Wait out copies of the peer's last packets. */
  | 'linger'
  /** Tell the peer that nobody will ask any more, so that it need not wait. */
  | 'sendDone'
  /** The flow is over: orderly or reset by us, reset by the peer, or given up. */
  | 'close'
  | 'closeReset'
  | 'closeTimedOut'
  /** Likewise where all that can be missing is an acknowledgement: orderly if the peer has every byte of ours. */
  | 'closeResetIfLost'
  | 'closeTimedOutIfLost'

/** `ignored`: a packet that means nothing here, counted. `illegal`: a call that the program may not make here. */
export type ConnectionCell = readonly [next: FlowState, ...ConnectionAction[]] | 'ignored' | 'illegal'

type Row = Readonly<Record<ConnectionInput, ConnectionCell>>

const deaf = {
  connect: 'illegal',
  end: 'illegal',
  abort: 'illegal',
  SYN: 'ignored',
  SYN_ACK: 'ignored',
  ACK: 'ignored',
  NACK: 'ignored',
  FIN: 'ignored',
  FIN_ACKED: 'ignored',
  RST: 'ignored',
  gaveUp: 'ignored',
  lingered: 'ignored',
} as const satisfies Row

/** What every state between set-up and the end has in common. */
const live = {
  ...deaf,
  abort: ['CLOSED', 'sendRst', 'close'],
  RST: ['CLOSED', 'closeReset'],
  gaveUp: ['CLOSED', 'closeTimedOut'],
} as const satisfies Row

/** Both streams have ended, and the peer's is here. A reset is not the program's business then (RFC 9293 section 3.10.7.4). */
const ending = {
  ...live,
  RST: ['CLOSED', 'closeResetIfLost'],
  gaveUp: ['CLOSED', 'closeTimedOutIfLost'],
} as const satisfies Row

export const connectionTable: Readonly<Record<FlowState, Row>> = {
  INIT: {
    ...deaf,
    connect: ['REQUEST', 'sendSyn'],
    SYN: ['RESPOND', 'sendSynAck'],
    abort: ['CLOSED', 'close'],
  },
  LISTEN: { ...deaf, abort: ['CLOSED', 'close'] },
  REQUEST: {
    ...deaf,
    end: ['REQUEST', 'defer'],
    abort: ['CLOSED', 'close'],
    SYN_ACK: ['CONNECTED', 'sendThirdAck', 'connected'],
    NACK: ['REQUEST', 'tryAnother'],
    gaveUp: ['CLOSED', 'closeTimedOut'],
  },
  RESPOND: {
    ...live,
    SYN: ['RESPOND', 'sendSynAck'],
    ACK: ['CONNECTED', 'accept'],
  },
  CONNECTED: {
    ...live,
    end: ['FINWAIT1', 'sendFin'],
    SYN_ACK: ['CONNECTED', 'sendThirdAck'],
    FIN: ['CLOSEWAIT', 'end'],
  },
  FINWAIT1: {
    ...live,
    SYN_ACK: ['FINWAIT1', 'sendThirdAck'],
    FIN: ['CLOSING', 'end'],
    FIN_ACKED: ['FINWAIT2'],
  },
  FINWAIT2: { ...live, FIN: ['TIMEWAIT', 'end', 'linger'] },
  CLOSING: { ...ending, FIN_ACKED: ['TIMEWAIT', 'linger'] },
  CLOSEWAIT: { ...live, end: ['LASTACK', 'sendFin'], SYN_ACK: ['CLOSEWAIT', 'sendThirdAck'] },
  LASTACK: { ...ending, FIN_ACKED: ['CLOSED', 'sendDone', 'close'] },
  TIMEWAIT: {
    ...deaf,
    abort: ['CLOSED', 'close'],
    RST: ['CLOSED', 'close'],
    lingered: ['CLOSED', 'close'],
  },
  CLOSED: deaf,
}
