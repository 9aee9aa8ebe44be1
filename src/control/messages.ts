/** What agents and controllers say to each other, as values. The bytes are `codec.ts`, the meaning control.proto's. */
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { Load } from '../service/balance/observed.ts'
import type { SharingPolicy } from '../service/balance/sharing.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Shares } from './shares.ts'

export const CONTROL_VERSION = 1

export type ControlMessage =
  | Hello
  | Welcome
  | Register
  | Unregister
  | Ack
  | Endpoints
  | RuleUpdate
  | Resolve
  | Resolved
  | Routers
  | InstanceGone
  | Ping
  | Pong
  | Goodbye
  | LoadReport

/** A service or prefix with the name it was written as: names are what is compared, hashes only route. */
export interface NamedPrefix {
  readonly name: string
  readonly prefix: ServicePrefix
}

/** 16 random bytes as 32 hex digits: one running process, or one running controller. */
export type InstanceId = string

export type AgentKind = 'host' | 'router'

/** A probe only wants to know who is there: it gets Welcome and Goodbye. */
export type HelloKind = AgentKind | 'probe'

/** Why an instance is no more: its connection ended without a word, or it said nothing for a whole lease. */
export type GoneReason = 'died' | 'silent'

export interface Hello {
  readonly type: 'hello'
  readonly version: number
  readonly kind: HelloKind
  readonly instance: InstanceId
  /** Opaque. Agents with the same one reach each other by loopback addresses; '' is nobody's equal. */
  readonly hostId: string
  readonly hostName: string
  readonly program: string
  readonly pid: number
  readonly endpoints: readonly Endpoint[]
  /** The controller that the rules this agent still holds came from. */
  readonly previousController?: InstanceId | undefined
  /** 32 hexadecimal digits that only controllers hear: they prove that the instance has connected anew. */
  readonly secret?: string | undefined
}

export interface Welcome {
  readonly type: 'welcome'
  readonly version: number
  readonly controller: InstanceId
  readonly pid: number
  readonly leaseMs: number
  readonly routers: readonly RouterInfo[]
}

/** `xid` comes back in the Ack. In the place of what the instance has said of the service before. */
export interface Register extends Shares {
  readonly type: 'register'
  readonly xid: number
  readonly service: NamedPrefix
}

export interface Unregister {
  readonly type: 'unregister'
  readonly xid: number
  readonly service: NamedPrefix
}

/** `code` '' is success, else a code of the error table or the registry's own. */
export interface Ack {
  readonly type: 'ack'
  readonly xid: number
  readonly code: string
  readonly message: string
}

export interface Endpoints {
  readonly type: 'endpoints'
  readonly endpoints: readonly Endpoint[]
}

/** FORWARD what is for the prefix to this instance. Prefix and instance together identify the rule. */
export interface ControlRule extends NamedPrefix, Shares {
  readonly instance: InstanceId
  /** Where the instance answers, the best for this receiver first; never empty. */
  readonly endpoints: readonly Endpoint[]
  /** As an operator has said to the controller; undefined: nobody has. */
  readonly sharing?: SharingPolicy | undefined
}

export interface ControlRuleKey extends NamedPrefix {
  readonly instance: InstanceId
}

export interface RuleUpdate {
  readonly type: 'ruleUpdate'
  /** With the updates that follow it up to the first one without `more`, this is all that is true. */
  readonly full: boolean
  readonly more: boolean
  readonly add: readonly ControlRule[]
  readonly remove: readonly ControlRuleKey[]
}

export interface Resolve {
  readonly type: 'resolve'
  readonly xid: number
  readonly service: NamedPrefix
}

export interface Resolved {
  readonly type: 'resolved'
  readonly xid: number
  readonly found: boolean
  /** For exactly what was asked, whatever prefix they were registered under. */
  readonly rules: readonly ControlRule[]
  readonly ttlMs: number
  /** Who answered, for people: `controller 3f2a… (pid 4711)`. */
  readonly asked: string
}

export interface RouterInfo {
  readonly instance: InstanceId
  /** Its program and host, for people. */
  readonly name: string
  /** The best for this receiver first; never empty. */
  readonly endpoints: readonly Endpoint[]
}

export interface Routers {
  readonly type: 'routers'
  readonly routers: readonly RouterInfo[]
}

export interface InstanceGone {
  readonly type: 'instanceGone'
  readonly instance: InstanceId
  readonly endpoints: readonly Endpoint[]
  readonly reason: GoneReason
}

export interface Ping {
  readonly type: 'ping'
}

export interface Pong {
  readonly type: 'pong'
}

export interface Goodbye {
  readonly type: 'goodbye'
  readonly reason: string
}

/** What an instance has to do for a service. */
export interface ServiceLoad extends NamedPrefix, Load {
  /** Undefined where an agent speaks of itself. */
  readonly instance?: InstanceId | undefined
}

export interface LoadReport {
  readonly type: 'load'
  readonly loads: readonly ServiceLoad[]
}
