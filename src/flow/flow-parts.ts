/** What the parts of one flow share. Each does one thing with it; `Flow` says when. */
import type { Direction } from '../security/keys.ts'
import type { ControlChannel } from './control-channel.ts'
import type { ControlPacketWriter } from './control-packet.ts'
import type { FlowContext } from './flow-context.ts'
import type { Outbox } from './outbox.ts'
import type { PathSet } from './path-set.ts'
import type { FlowTimers } from './timers.ts'

/** A FIN of the peer's, kept until its turn; RSYN needs nothing kept. */
export type PeerControl = { readonly kind: 'FIN'; readonly finalOffset: number } | { readonly kind: 'RSYN' }

/** `F` is Flow; a parameter, so that the parts stand below it. */
export interface FlowParts<F> {
  /** Whose parts they are: for the SAL, which knows nothing smaller. */
  readonly flow: F
  readonly role: Direction
  readonly context: FlowContext<F>
  readonly channel: ControlChannel<PeerControl>
  readonly outbox: Outbox
  readonly timers: FlowTimers
  readonly paths: PathSet
  readonly writer: ControlPacketWriter
}
