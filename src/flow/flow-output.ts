/**
 * What leaves a flow: control packets that are due, the end of the stream, and what the transport has to send, in that
 * order; and nothing that an address which is not proven may not be sent.
 */
import type { TransmitBatch } from '../wire/transmit-batch.ts'
import type { Connection } from './connection.ts'
import type { FlowParts } from './flow-parts.ts'
import type { FlowTransport } from './flow-transport.ts'
import type { Mobility } from './mobility.ts'
import type { Due } from './outbox.ts'
import type { Path } from './path.ts'

export class FlowOutput<F> {
  readonly #parts: FlowParts<F>
  readonly #transport: FlowTransport
  readonly #connection: Connection<F>
  readonly #mobility: Mobility<F>
  #released = false

  constructor(
    parts: FlowParts<F>,
    transport: FlowTransport,
    connection: Connection<F>,
    mobility: Mobility<F>,
  ) {
    this.#parts = parts
    this.#transport = transport
    this.#connection = connection
    this.#mobility = mobility
  }

  /** HOT. Writes what is to be sent next; false when there is nothing. */
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean {
    const { outbox, paths } = this.#parts
    for (let due = outbox.take(); due; due = outbox.take()) {
      // FIN is about to say as much.
      if (due.kind === 'ACK' && due.echo === undefined && this.#connection.finDueOn(due.path)) continue
      if (this.#emitControl(due, batch, nowMs)) return true
    }
    if (this.#released) return false
    if (this.#connection.state === 'CLOSED') return this.#release()
    const path = paths.active
    if (path === undefined || this.#transport.isSuspended || !this.#connection.isOpen) return false
    const fin = this.#connection.finDueOn(path)
    if (fin && this.#emitControl(fin, batch, nowMs)) return true
    return this.#emitData(path, batch, nowMs)
  }

  #emitControl(due: Due, batch: TransmitBatch, nowMs: number): boolean {
    const { context, paths, writer } = this.#parts
    const { path } = due
    if (this.#transport.isSuspended && path === paths.active) return false
    const author = due.kind === 'RST' && due.writer ? due.writer : writer
    const length = author.write(due, batch.buffer, this.#transport.riders, nowMs)
    if (!path.admits(length)) {
      context.count('amplificationLimit')
      return false
    }
    path.credit.sentBytes += length
    if (due.kind === 'RSYN_ACK') {
      path.challenges++
      path.challengedAt = nowMs
    } else if (due.kind === 'FIN') this.#connection.handleFinSent(path, due.entry.transmissions === 0, nowMs)
    if ('entry' in due) {
      due.entry.transmissions++
      due.entry.sentAt = nowMs
    }
    batch.setPacket(length)
    batch.setRoute(path.local.id, path.remote)
    return true
  }

  /** HOT. */
  #emitData(path: Path, batch: TransmitBatch, nowMs: number): boolean {
    if (!this.#transport.emitBatch(batch, path, nowMs)) return false
    batch.setRoute(path.local.id, path.remote)
    this.#mobility.handleData(path, batch, nowMs)
    return true
  }

  /** The last packet is out: the SAL may forget the flow. */
  #release(): false {
    this.#released = true
    this.#parts.context.release(this.#parts.flow)
    return false
  }
}
