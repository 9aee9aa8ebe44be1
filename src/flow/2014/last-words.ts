/**
 * What is left of flows that ended before their peers did (LASTACK). The ACK of the peer's FIN may have been lost, and its FIN
 * says nothing of ours: without the flow its repeats would meet silence, as they do at an original (src/wire/README.md, A10),
 * which repeats them for 23 minutes. So they are answered as long as TCP would in TIME-WAIT (RFC 9293 section 3.10.7.4).
 */
import type { FlowId } from '../../id/flow-id.ts'
import { serialLt } from '../../id/serial.ts'
import { controlFlags } from '../../wire/extensions/control.ts'
import type { Arrival } from '../arrival.ts'
import type { QueueSize } from '../queue-size.ts'
import type { ControlPacket, PacketWriter2014 } from './packets.ts'

const { ACK, RST, FIN } = controlFlags

/** Of one flow. */
export interface LastWord {
  readonly flowId: FlowId
  readonly writer: PacketWriter2014
  /** As every ACK of the flow would have them from now on. */
  readonly verno: number
  readonly ackno: number
  /** When it was due last. */
  readonly saidAt: number
}

export interface Repetition {
  readonly writer: PacketWriter2014
  readonly packet: ControlPacket
}

export class LastWords {
  readonly #keptMs: number
  /** The longest unasked first, as a Map keeps the order of insertion. */
  readonly #words = new Map<FlowId, LastWord>()

  constructor(keptMs: number) {
    this.#keptMs = keptMs
  }

  get queue(): QueueSize {
    return { name: 'last words', size: this.#words.size, limit: LIMIT }
  }

  keep(word: LastWord): void {
    this.#words.delete(word.flowId)
    this.#words.set(word.flowId, word)
    for (const { flowId, saidAt } of this.#words.values()) {
      if (this.#words.size <= LIMIT && saidAt + this.#keptMs > word.saidAt) return
      this.#words.delete(flowId)
    }
  }

  /** What a packet for a flow that is gone is answered with: nothing but its peer's FIN is. */
  repeat({ packet, local, remote }: Arrival, nowMs: number): Repetition | undefined {
    const { control, srcFlowId, dstFlowId } = packet
    const word = this.#words.get(dstFlowId)
    if (word === undefined || control === undefined) return undefined
    const { writer, verno, ackno, saidAt } = word
    if (saidAt + this.#keptMs <= nowMs) this.#words.delete(dstFlowId)
    const isPeers = srcFlowId === writer.peerFlowId && writer.isPeerNonce(control.nonce)
    const isRepeat = (control.flags & (FIN | RST)) === FIN && serialLt(control.verno, ackno)
    if (!isPeers || !isRepeat || !this.#words.has(dstFlowId)) return undefined
    this.keep({ ...word, saidAt: nowMs })
    return { writer, packet: { flags: ACK, verno, ackno, local, remote } }
  }
}

/** Beyond it the oldest are forgotten: originals then repeat their FINs for nothing. */
const LIMIT = 4096
