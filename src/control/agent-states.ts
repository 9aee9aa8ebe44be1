/**
 * The agent's connection to its controller, as data: what each input does in each state.
 *
 *   STOPPED --start--> CONNECTING --connected--> GREETING --welcome--> READY
 *                        ^    |                     |                    |
 *                 retryDue    +---- whatever goes wrong, or a goodbye ---+
 *                        |    v
 *                        WAITING (back-off)                 stop: from anywhere to STOPPED
 */

export const AGENT_STATES = ['STOPPED', 'WAITING', 'CONNECTING', 'GREETING', 'READY'] as const
export type AgentState = (typeof AGENT_STATES)[number]

export const AGENT_INPUTS = [
  /** Local calls. */
  'start',
  'stop',
  /** The shell's reports about the connection. */
  'connected',
  'disconnected',
  /** What the controller said: Welcome, Goodbye, any other message that is its to send, anything else. */
  'welcome',
  'goodbye',
  'message',
  'violation',
  /** Timers: the back-off is over; nothing came for as long as the state allows. */
  'retryDue',
  'silent',
] as const
export type AgentInput = (typeof AGENT_INPUTS)[number]

export type AgentAction =
  | 'ignore'
  /** Ask the shell for a connection. */
  | 'dial'
  /** Say Hello. */
  | 'greet'
  /** Take the Welcome; register and ask everything again. */
  | 'settle'
  /** Do what the message says. */
  | 'obey'
  /** The connection is gone: wait, then dial again. */
  | 'backOff'
  /** Close the connection, with Goodbye where the controller may be listening, then as `backOff`. */
  | 'hangUp'
  /** As `hangUp`, for good. */
  | 'leave'

export interface AgentCell {
  readonly next: AgentState
  readonly action: AgentAction
}

const to = (next: AgentState, action: AgentAction): AgentCell => ({ next, action })
const stay = (next: AgentState): AgentCell => ({ next, action: 'ignore' })

/** Without a connection nothing can be said on it: these cells are for reports that come late. */
const unconnected = (state: AgentState) => ({
  connected: stay(state),
  disconnected: stay(state),
  welcome: stay(state),
  goodbye: stay(state),
  message: stay(state),
  violation: stay(state),
  silent: stay(state),
})

export const agentTable: Readonly<Record<AgentState, Readonly<Record<AgentInput, AgentCell>>>> = {
  STOPPED: {
    ...unconnected('STOPPED'),
    start: to('CONNECTING', 'dial'),
    stop: stay('STOPPED'),
    retryDue: stay('STOPPED'),
  },
  WAITING: {
    ...unconnected('WAITING'),
    start: stay('WAITING'),
    stop: to('STOPPED', 'leave'),
    retryDue: to('CONNECTING', 'dial'),
  },
  CONNECTING: {
    ...unconnected('CONNECTING'),
    start: stay('CONNECTING'),
    stop: to('STOPPED', 'leave'),
    connected: to('GREETING', 'greet'),
    disconnected: to('WAITING', 'backOff'),
    retryDue: stay('CONNECTING'),
    silent: to('WAITING', 'hangUp'),
  },
  GREETING: {
    start: stay('GREETING'),
    stop: to('STOPPED', 'leave'),
    connected: stay('GREETING'),
    disconnected: to('WAITING', 'backOff'),
    welcome: to('READY', 'settle'),
    goodbye: to('WAITING', 'hangUp'),
    // Nothing comes before Welcome.
    message: to('WAITING', 'hangUp'),
    violation: to('WAITING', 'hangUp'),
    retryDue: stay('GREETING'),
    silent: to('WAITING', 'hangUp'),
  },
  READY: {
    start: stay('READY'),
    stop: to('STOPPED', 'leave'),
    connected: stay('READY'),
    disconnected: to('WAITING', 'backOff'),
    // One Welcome a connection.
    welcome: to('WAITING', 'hangUp'),
    goodbye: to('WAITING', 'hangUp'),
    message: to('READY', 'obey'),
    violation: to('WAITING', 'hangUp'),
    retryDue: stay('READY'),
    silent: to('WAITING', 'hangUp'),
  },
}
