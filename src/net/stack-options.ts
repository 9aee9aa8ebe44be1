/** What can be chosen of a stack, and of a flow that it opens. */
import { totalmem } from 'node:os'
import type { FlowLimits } from '../flow/flow-context.ts'
import { DEFAULT_LIMITS } from '../sal/sal-options.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import type { Config, ConfigOptions } from './config.ts'
import type { Network } from './links/link.ts'

export interface StackOptions extends ConfigOptions {
  /** Default: UDP from the addresses of this host. */
  readonly network?: Network | undefined
  /** Memory that a flow may take, and how long its peer may be silent. */
  readonly limits?: Partial<FlowLimits> | undefined
}

export interface ConnectOptions {
  /** How long set-up may take, ms; default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Of the flow's paths; default: the stack's. */
  readonly congestion?: CongestionName | undefined
  /** A flow of datagrams, from a port of this host, or 0; default: a stream. */
  readonly datagrams?: { readonly port: number } | undefined
}

/** What depends on the host, unless it was `chosen`. */
export function limitsOver(
  network: Network,
  { receiveMemory }: Config,
  chosen: StackOptions['limits'],
): Partial<FlowLimits> {
  // More than half of what the kernel keeps, overhead counted in, would be lost whenever the program is slow.
  const keptBytes = network.receiveBufferBytes?.() ?? Number.POSITIVE_INFINITY
  const burstBytes = Math.max(MIN_BURST_BYTES, Math.min(DEFAULT_LIMITS.burstBytes, keptBytes / 2))
  // 0, or nothing, where Node cannot tell: without a view of the control groups, as in `ip netns exec`.
  const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  return { burstBytes, receiveMemoryBytes: receiveMemory ?? memoryBytes / 4, ...chosen }
}

const MIN_BURST_BYTES = 65_536
