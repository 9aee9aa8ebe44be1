/**
 * What a stack or router tells of itself at its status socket: JSON, one line a question and one line an answer.
 * Resolution on one host, `serval services` and `serval flows` read it. What is said about rules is `rule-status.ts`.
 */
import type { FlowInfo } from '../flow/flow-info.ts'

export type StatusRequest =
  /** Everything. */
  | { readonly ask: 'status' }
  /** Who serves a serviceID (canonical text): an answer with the services that have it, and no flows. */
  | { readonly ask: 'service'; readonly serviceId: string }
  /** Who it is, without services and flows; the connection is then left open, and ends with the stack. */
  | { readonly ask: 'watch' }
  /** Who it is, once, and of a router with it what is for the one that takes its place. */
  | { readonly ask: 'succession' }

export interface StackStatus {
  readonly version: string
  /** A router has neither services nor flows. */
  readonly kind: 'host' | 'router'
  readonly pid: number
  readonly program: string
  /** Names the stack among those of its host: 32 hex digits. */
  readonly instance: string
  /** Equal where loopback addresses lead to it. */
  readonly hostId: string
  /** UDP endpoints at which it answers. */
  readonly endpoints: readonly string[]
  readonly services: readonly ServiceStatus[]
  readonly flows: readonly FlowInfo[]
  /** What was dropped, refused or odd, by kind. */
  readonly counters: Readonly<Record<string, number>>
  readonly succession?: Succession | undefined
}

/** What a router tells the one that takes its place (succession.ts). */
export interface Succession {
  /** 32 hex digits (route-mac.ts). */
  readonly routeSecret: string
  /** When the clock by which it changes its keys was 0 (`clockZeroMs`). */
  readonly zeroMs: number
}

export interface ServiceStatus {
  readonly name: string
  /** All that lead to the listener, its own first. */
  readonly serviceIds: readonly string[]
  readonly weight: number
  readonly priority: number
  /** Milliseconds since 1970; it decides who was first. */
  readonly since: number
  /** A claim is made before the service is taken, so that of two programs that want one port only one gets it. */
  readonly state: 'claimed' | 'listening'
  /** What it takes; absent: streams. */
  readonly protocol?: 'datagram' | undefined
}
