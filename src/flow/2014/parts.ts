/** What the parts of one flow of the 2014 profile share. Each does one thing with it; `Flow2014` says when. */
import type { Direction } from '../../security/keys.ts'
import type { FlowContext } from '../flow-context.ts'
import type { FlowTimers } from '../timers.ts'
import type { Carriage } from './carriage.ts'
import type { ControlSlot } from './control-slot.ts'
import type { Outbox2014 } from './outbox.ts'
import type { PacketWriter2014 } from './packets.ts'
import type { PathInUse } from './path-2014.ts'

/** An ACK of this profile is never for nobody: what no flow takes is the dialect's. */
export type Context2014<F> = Omit<FlowContext<F>, 'answerUnknown'>

/** `F` is Flow2014; a parameter, so that the parts stand below it. */
export interface Parts2014<F> {
  readonly flow: F
  readonly role: Direction
  readonly context: Context2014<F>
  readonly slot: ControlSlot
  readonly outbox: Outbox2014
  readonly writer: PacketWriter2014
  readonly timers: FlowTimers
  readonly path: PathInUse
  readonly carriage: Carriage
}
