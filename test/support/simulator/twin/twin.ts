/** A TCP connection by the book in the simulated world, beside flows of the stack on the same links: `startTwin`. */
import type { EventQueue } from '../event-queue.ts'
import { TwinReceiver } from './receiver.ts'
import { TwinSender } from './sender.ts'
import { type Hop, Way } from './way.ts'
import type { TwinWindow } from './window.ts'

/** As a flow of the stack has it where packets of 1,500 bytes pass: IP, UDP, and our headers take the rest. */
export const TWIN_MSS = 1_436
const PACKET_BYTES = 1_500
const ACK_BYTES = 64

export interface TwinOptions {
  readonly queue: EventQueue
  readonly window: TwinWindow
  /** The way of the data, and that of the acknowledgements. */
  readonly forth: readonly Hop[]
  readonly back: readonly Hop[]
}

export interface Twin {
  /** In order at the receiver. */
  readonly receivedBytes: number
  readonly sender: TwinSender
}

/** It sends as much as it can, from now on. */
export function startTwin({ queue, window, forth, back }: TwinOptions): Twin {
  const dataWay = new Way(queue, forth)
  const ackWay = new Way(queue, back)
  const receiver = new TwinReceiver(queue, ack => ackWay.send(ACK_BYTES, () => sender.receive(ack)))
  const sender = new TwinSender(queue, window, segment => {
    const sentAtMs = queue.nowMs
    dataWay.send(PACKET_BYTES, () => receiver.receive(segment, sentAtMs))
  })
  queue.at(queue.nowMs, () => sender.start())
  return {
    sender,
    get receivedBytes() {
      return receiver.receivedSegments * TWIN_MSS
    },
  }
}
