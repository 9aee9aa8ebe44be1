/**
 * Control packets that a flow of the 2014 profile owes. Each is written when the link asks for it, so that it carries the
 * newest numbers.
 */
import type { Endpoint } from '../../wire/endpoint.ts'
import { controlFlags } from '../../wire/extensions/control.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { Local } from '../path.ts'
import type { QueueSize } from '../queue-size.ts'
import type { ControlSlot } from './control-slot.ts'
import type { ControlPacket, PacketWriter2014 } from './packets.ts'
import type { PathInUse } from './path-2014.ts'

/** Undefined: it is not owed any more. */
type Due = () => ControlPacket | undefined

export class Outbox2014 {
  readonly #slot: ControlSlot
  readonly #writer: PacketWriter2014
  readonly #path: PathInUse
  readonly #wake: () => void
  readonly #due: Due[] = []

  constructor(slot: ControlSlot, writer: PacketWriter2014, path: PathInUse, wake: () => void) {
    this.#slot = slot
    this.#writer = writer
    this.#path = path
    this.#wake = wake
  }

  get queue(): QueueSize {
    return { name: 'owed control packets', size: this.#due.length, limit: DUE_LIMIT }
  }

  put(due: Due): void {
    if (this.#due.length < DUE_LIMIT) this.#due.push(due)
    this.#wake()
  }

  /** One that consumes no number, on the path in use, if there is one, or between the addresses of a move. */
  putNumberless(flags: number, addresses?: { readonly local: Local; readonly remote: Endpoint }): void {
    const between = addresses ?? this.#path.current
    if (between === undefined) return
    const { local, remote } = between
    this.put(() => ({ flags, verno: this.#slot.verno, ackno: this.#slot.ackno, local, remote }))
  }

  /** ACK of what is expected by then. */
  acknowledge(): void {
    this.putNumberless(controlFlags.ACK)
  }

  /** Writes the next one; false: there is none. */
  write(batch: TransmitBatch): boolean {
    for (let due = this.#due.shift(); due; due = this.#due.shift()) {
      const packet = due()
      if (packet === undefined) continue
      this.#writer.write(packet, batch)
      return true
    }
    return false
  }
}

/** Beyond it what is owed is forgotten: what matters is repeated. */
const DUE_LIMIT = 64
