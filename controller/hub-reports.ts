/** What the hub wants of its server, and what it tells for logs and for people. */
import type { GoneReason } from '../src/control/messages.ts'
import type { Member } from './registry.ts'

export type HubCommand =
  | { readonly type: 'send'; readonly connection: number; readonly bytes: Uint8Array }
  /** After what was sent. No report about the connection is needed, or heard, any longer. */
  | { readonly type: 'close'; readonly connection: number }

/** For logs. `from` is the connection as the server named it. */
export type HubNotice =
  | { readonly type: 'joined'; readonly member: Member; readonly from: string }
  | { readonly type: 'left'; readonly member: Member; readonly reason: LeaveReason }
  | { readonly type: 'registered' | 'unregistered'; readonly member: Member; readonly name: string }
  | { readonly type: 'rejected'; readonly from: string; readonly reason: string }

export type LeaveReason = 'goodbye' | 'replaced' | 'rejected' | GoneReason

/** How often something went wrong since the start. */
export interface HubCounters {
  /** Messages that could not be read. */
  malformed: number
  /** Messages of a kind unknown here; they are ignored. */
  unknown: number
  /** Connections closed because of what came over them. */
  rejected: number
  /** Registrations refused. */
  refused: number
  /** Questions to which the answer was nobody. */
  unresolved: number
  /** Members withdrawn because they were silent. */
  evicted: number
}

export function newHubCounters(): HubCounters {
  return { malformed: 0, unknown: 0, rejected: 0, refused: 0, unresolved: 0, evicted: 0 }
}
