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
import { unwrap48 } from '../../../src/wire/sequence.ts'
import { InvariantViolation } from './invariant-violation.ts'
import type { Node } from './network.ts'

/** An edge that is further than this from the one before was not offered: it comes from a changed packet. */
const CREDIBLE_BYTES = 2 ** 33

export class OfferedWindows {
  /** By node and by the flowID of the end that offers: the edge, unwrapped. */
  readonly #edges = new Map<Node, Map<number, number>>()
  readonly #segment = new SegmentFields()

  /** A packet has come to `node`. */
  handleDelivered(node: Node, bytes: Uint8Array): void {
    const segment = this.#parse(bytes)
    if (segment === undefined || (segment.flags & segmentFlags.ACK) === 0) return
    const edges = this.#edgesOf(node)
    const offering = peekSrcFlowId(bytes, SHIM_BYTES)
    const offered = segment.ack + segment.windowBytes
    const known = edges.get(offering)
    const edge = known === undefined ? offered : unwrap48(offered % 2 ** 48, known)
    if (known === undefined || (edge > known && edge - known < CREDIBLE_BYTES)) edges.set(offering, edge)
  }

  /** `node` sends a packet. */
  handleSent(node: Node, bytes: Uint8Array): void {
    const segment = this.#parse(bytes)
    if (segment === undefined || segment.payloadStart === segment.payloadEnd) return
    if (segment.flags & segmentFlags.PROBE) return
    const edge = this.#edges.get(node)?.get(peekDstFlowId(bytes, SHIM_BYTES))
    if (edge === undefined) return
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
