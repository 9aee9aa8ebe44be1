/** What an agent wants of its shell, and what it tells it. */
import type { Endpoint } from '../wire/endpoint.ts'
import type { RuleChange } from './known-rules.ts'
import type { ControlRule, GoneReason, InstanceId, NamedPrefix, RouterInfo, ServiceLoad } from './messages.ts'
import type { RegistrationOutcome } from './registrations.ts'

/** What the shell is to do. `connection` is the agent's number for it, to be given back in reports. */
export type AgentCommand =
  | { readonly type: 'connect'; readonly connection: number }
  | { readonly type: 'send'; readonly connection: number; readonly bytes: Uint8Array }
  /** After what was sent. No report about the connection is needed, or heard, any longer. */
  | { readonly type: 'close'; readonly connection: number }

export type AgentEvent =
  | { readonly type: 'connected'; readonly controller: InstanceId; readonly pid: number }
  /** An attempt failed or the connection was lost; the next attempt is made at `retryAt`. */
  | { readonly type: 'disconnected'; readonly reason: string; readonly retryAt: number }
  | RegistrationOutcome
  /** Take `remove` away, then put `add` in. */
  | ({ readonly type: 'rules' } & RuleChange)
  /** How busy instances are that this agent has rules for. */
  | { readonly type: 'loads'; readonly loads: readonly ServiceLoad[] }
  /** All routers that are alive. */
  | { readonly type: 'routers'; readonly routers: readonly RouterInfo[] }
  /** The rules are in force already, by the event before. */
  | { readonly type: 'resolved'; readonly service: NamedPrefix; readonly rules: readonly ControlRule[] }
  | {
      readonly type: 'unresolved'
      readonly service: NamedPrefix
      readonly reason: UnresolvedReason
      /** Who said so, for people; '' where nobody did. */
      readonly asked: string
    }
  /** An instance is no more. `died`: flows to its endpoints have lost their peer; `silent`: perhaps not. */
  | {
      readonly type: 'gone'
      readonly instance: InstanceId
      readonly endpoints: readonly Endpoint[]
      readonly reason: GoneReason
    }

/** not-found: the controller says that nobody serves it. overload: too many questions are open here. */
export type UnresolvedReason = 'not-found' | 'unreachable' | 'timeout' | 'overload' | 'stopped'
