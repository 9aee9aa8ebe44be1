/**
 * What forwards a router's packets, as the shell around it sees it: this thread, a packet at a time (thread-plane.ts), or
 * workers that take many with one system call (engine/engine-plane.ts).
 */
import type { Local } from '../flow/path.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { ServiceTable } from '../service/service-table.ts'
import type { Link, LinkEvents, Network, PacketTap } from './links/link.ts'
import type { EntryCounts } from './rule-status.ts'
import type { Succession } from './status.ts'

export interface RouterPlaneEvents {
  /** Packets wait for somebody to find out who serves this: then `release` or `refuse` it. */
  onResolve(serviceId: ServiceId): void
  /** A link has refused to send, with the system's code. */
  onSendError(code: string): void
}

export interface RouterPlane {
  /** Where its links come from, and what they tell. */
  readonly network: Network
  readonly linkEvents: LinkEvents
  /** What it routes by. After a change of it: `release`. */
  readonly table: ServiceTable
  /** Packets by what became of them. */
  readonly counters: Readonly<Record<string, number>>
  /** What each of those who forward beside `table` has counted for these prefixes, by rules and targets. */
  ruleCounts(prefixes: readonly ServicePrefix[]): Promise<readonly (readonly (EntryCounts | undefined)[])[]>
  /** Resolves when those who forward beside `table` have made its changes so far; packets were served meanwhile. */
  caughtUp(): Promise<void>
  addLink(local: Local, link: Link): void
  /** What who takes its place has to know; absent: nobody can. */
  readonly succession?: Succession
  /** Takes the place of a router; before `begin`. */
  adopt?(succession: Succession): void
  /** The table has the rules that it begins with: what waits in the sockets, as those of a router that is replaced, may go on. */
  begin(): void
  removeLink(local: Local, link: Link): void
  /** What these say of a SYN's way is believed: endpoints as text. */
  setKnownRouters(endpoints: readonly string[]): void
  /** Lets go what waits under a prefix and no DELAY rule holds any more. */
  release(under: ServicePrefix): void
  /** Answers what waits under a prefix that nobody serves it. */
  refuse(under: ServicePrefix): void
  /** Who looks on at what comes and goes; undefined: nobody any more. */
  setTap(tap: PacketTap | undefined): void
  /** Ends, once all that it has received is on its way; the links close then. */
  close(): Promise<void>
}
