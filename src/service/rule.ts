/**
 * Rules: what the service table says about a prefix (NSDI 2012, section 3.2). Values only: the
 * table is `service-table.ts`, the text form `rule-text.ts`.
 *
 * Streams and datagrams of one name may be served by different programs. So each target may say which of the two it takes,
 * and packets of the other never get there; who says nothing takes both. A program says it of each of its listeners, and the
 * word goes with the listener wherever others are told of it:
 *
 *   listener --> status socket --> rules of this host's other stacks
 *            \-> controller -----> rules of hosts and routers
 *
 * It is a property of the target and no part of the key: one lookup finds the entry whatever the packet carries, and the
 * entry, which knows its targets, has those for each protocol ready (`gathered-entry.ts`).
 */
import type { Endpoint } from '../wire/endpoint.ts'
import { type Protocol, protocols } from '../wire/sal-header.ts'
import type { SharingPolicy } from './balance/sharing.ts'

export type Rule = ForwardRule | DemuxRule | DelayRule | DropRule
export type RuleType = Rule['type']

/** Send the packet on, to one of the targets, or datagrams to all. */
export interface ForwardRule {
  readonly type: 'FORWARD'
  readonly targets: readonly Target[]
  /** How packets are shared among all targets of the entry. If its rules differ the first that says something counts. */
  readonly sharing?: SharingPolicy
}

/** Give the packet to a listener of this stack. One entry may have one for each protocol. */
export interface DemuxRule {
  readonly type: 'DEMUX'
  readonly listenerId: number
  /** What the listener takes. */
  readonly protocol: Protocol
  /** Beside other listeners of the protocol that say so too, each taking its part (as SO_REUSEPORT). Default: alone. */
  readonly shared?: boolean
}

/** Hold the packet and ask the controller who serves it. Where live targets stand beside it, they serve. */
export interface DelayRule {
  readonly type: 'DELAY'
}

/** Discard the packet, whatever else the entry holds. */
export interface DropRule {
  readonly type: 'DROP'
  /** Free text for people: why. */
  readonly reason?: string
}

export interface Target {
  readonly endpoint: Endpoint
  /** Share of what its priority's set serves, >= 0, default 1. A target of weight 0 gets nothing. */
  readonly weight?: number
  /** The highest priority with a live target serves, the others are fall-backs. Default 1. */
  readonly priority?: number
  /** What it takes; default: streams and datagrams. */
  readonly protocol?: Protocol | undefined
}

/** What a rule calls a protocol. */
export const PROTOCOL_NAMES = ['stream', 'datagram'] as const
export type ProtocolName = (typeof PROTOCOL_NAMES)[number]

export function nameOfProtocol(protocol: Protocol): ProtocolName {
  return protocol === protocols.STREAM ? 'stream' : 'datagram'
}

export function protocolOfName(name: ProtocolName): Protocol {
  return name === 'stream' ? protocols.STREAM : protocols.DATAGRAM
}

/** Whether packets of `protocol`, as it stands in their header, may go to a target. */
export function takes(target: Pick<Target, 'protocol'>, protocol: number): boolean {
  return target.protocol === undefined || target.protocol === protocol
}

export const DEFAULT_WEIGHT = 1
export const DEFAULT_PRIORITY = 1

/** Who says so: this stack's own listeners, a controller, the runtime directory, a file, or a person. */
export const RULE_SOURCES = ['local', 'controller', 'runtime', 'config', 'user'] as const
export type RuleSource = (typeof RULE_SOURCES)[number]

/** Where a rule comes from. Rules of different origins stand side by side in one entry. */
export interface RuleOrigin {
  readonly source: RuleSource
  /** Tells several of one source apart: an instance, a process. Default: none. */
  readonly owner?: string
  /** The instant from which the rule no longer holds. Default: never. */
  readonly expiresAt?: number
  /** The pattern as a person wrote it, `*.shop.example`: hashes do not lead back to names. */
  readonly name?: string
}
