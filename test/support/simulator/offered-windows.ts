/**
 * What each end of a flow has been offered, counted from the segments that reached it: a sender may send what lies before
 * the largest edge (acknowledgement and window) that was delivered to it, and nothing behind.
 */
import { SHIM_BYTES } from '../../../src/wire/encapsulation.ts'
import {
  BASE_HEADER_BYTES,
  peekDstFlowId,
  peekHeaderBytes,
  peekProtocol,
  peekSrcFlowId,
  protocols,
} from '../../../src/wire/sal-header.ts'
import { parseSegmentInto, SegmentFields, segmentFlags } from '../../../src/wire/segment.ts'
import { unwrap48, wrap48 } from '../../../src/wire/sequence.ts'
import { InvariantViolation } from './invariant-violation.ts'
import type { Node, Packet } from './network.ts'

export class OfferedWindows {
  /** By node and by the flowID of the end that offers: the edge, unwrapped; Infinity where a changed packet may have offered anything. */
  readonly #edges = new Map<Node, Map<number, number>>()
  readonly #segment = new SegmentFields()

  /** A packet has come to `node`. */
  handleDelivered(node: Node, { bytes, isCorrupted }: Packet): void {
    const segment = this.#parse(bytes)
    if (segment === undefined) return
    const edges = this.#edgesOf(node)
    const offering = peekSrcFlowId(bytes, SHIM_BYTES)
    if (isCorrupted) edges.set(offering, Number.POSITIVE_INFINITY)
    else if (segment.flags & segmentFlags.ACK) {
      const offered = segment.ack + segment.windowBytes
      const known = edges.get(offering)
      if (known === undefined) edges.set(offering, offered)
      else if (known !== Number.POSITIVE_INFINITY)
        edges.set(offering, Math.max(known, unwrap48(wrap48(offered), known)))
    }
  }

  /** `node` sends a packet. */
  handleSent(node: Node, bytes: Uint8Array): void {
    const segment = this.#parse(bytes)
    if (segment === undefined || segment.payloadStart === segment.payloadEnd) return
    if (segment.flags & segmentFlags.PROBE) return
    const edge = this.#edges.get(node)?.get(peekDstFlowId(bytes, SHIM_BYTES))
    if (edge === undefined || edge === Number.POSITIVE_INFINITY) return
    const end = unwrap48(segment.seq, edge) + segment.payloadEnd - segment.payloadStart
    if (end > edge)
      throw new InvariantViolation(
        'window',
        `${node.name} has sent ${end - edge} bytes that were not admitted`,
      )
  }

  /** The segment behind the SAL header; undefined where there is none. */
  #parse(bytes: Uint8Array): SegmentFields | undefined {
    if (peekProtocol(bytes, SHIM_BYTES) !== protocols.STREAM) return undefined
    const start = SHIM_BYTES + Math.max(BASE_HEADER_BYTES, peekHeaderBytes(bytes, SHIM_BYTES))
    if (start >= bytes.length) return undefined
    const error = parseSegmentInto(this.#segment, bytes, start, bytes.length)
    return error === undefined ? this.#segment : undefined
  }

  #edgesOf(node: Node): Map<number, number> {
    const known = this.#edges.get(node)
    if (known !== undefined) return known
    const opened = new Map<number, number>()
    this.#edges.set(node, opened)
    return opened
  }
}
