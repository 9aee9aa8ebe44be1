/**
 * Finds out how large the packets are that a flow's path takes (transport/path-mtu.ts has the rules), and keeps the
 * path's segments to it.
 *
 * A probe is an ACK with CHALLENGE, padded to the size in question: its echo, under TAG, names it. It carries nothing that
 * would be missed (RFC 8899 section 4.1, padding data), stands outside of the stream's flight, so that its loss costs no
 * window (section 3, item 7), and goes to proven addresses only.
 */
import type { FlowTransport } from './flow-transport.ts'
import type { Outbox } from './outbox.ts'
import { maxPacketBytes, type Path, segmentBytesOf } from './path.ts'
import { sameBytes } from './setup.ts'

/** A flow that sends no more than this does not gain by larger packets what a probe costs. */
export const SEARCH_AFTER_BYTES = 16_384

export class PathSearch {
  readonly #outbox: Outbox
  readonly #randomBytes: (n: number) => Uint8Array
  /** The probe that is out. */
  #probe: { readonly path: Path; readonly challenge: Uint8Array } | undefined

  constructor(outbox: Outbox, randomBytes: (n: number) => Uint8Array) {
    this.#outbox = outbox
    this.#randomBytes = randomBytes
  }

  /** Packets of full size leave by `path`, and something is due. */
  handleData(path: Path, transport: FlowTransport, nowMs: number): void {
    const { rtt } = path.transport
    // In an outage all probes are lost, and say nothing of sizes.
    if (!path.proven || rtt.backoffs > 0 || (transport.stats?.bytesOut ?? 0) < SEARCH_AFTER_BYTES) return
    const bytes = path.mtu.probeDue(rtt.rtoMs, nowMs)
    if (bytes === 0) return
    const challenge = this.#randomBytes(8)
    this.#probe = { path, challenge }
    this.#outbox.put({ kind: 'SIZE_PROBE', path, challenge, bytes })
  }

  /** A tagged echo came; false if it was not that of the probe. */
  handleEcho(value: Uint8Array): boolean {
    const probe = this.#probe
    if (probe === undefined || !sameBytes(probe.challenge, value)) return false
    this.#probe = undefined
    probe.path.mtu.handleConfirmed()
    probe.path.transport.mss = segmentBytesOf(probe.path.mtu)
    return true
  }

  /** The transport's timers have run: what was sent may be too large for the path. */
  handleTimeout(path: Path, transport: FlowTransport): void {
    if (path.mtu.handleTimeouts(path.transport.rtt.backoffs)) this.#shrink(path, transport)
  }

  /** The system has refused a packet as too long, on this path. */
  handleRefused(path: Path, transport: FlowTransport): void {
    if (path.mtu.handleRefused()) this.#shrink(path, transport)
  }

  /** The MTU of the path's interface may have changed. */
  handleInterface(path: Path, transport: FlowTransport): void {
    if (path.mtu.setMax(maxPacketBytes(path.local, path.remote))) this.#shrink(path, transport)
  }

  #shrink(path: Path, transport: FlowTransport): void {
    this.#probe = undefined
    path.transport.mss = segmentBytesOf(path.mtu)
    transport.handleShrunk(path.transport)
  }
}
