/** What can be chosen of a SAL, and of a flow that it opens. */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowLimits } from '../flow/flow-context.ts'
import type { FlowState } from '../flow/states.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import type { Protocol } from '../wire/sal-header.ts'
import type { DialectKind } from './dialect.ts'

export interface SalOptions {
  /** Default: native. */
  readonly dialect?: DialectKind
  /** n bytes of a CSPRNG. */
  readonly randomBytes: (n: number) => Uint8Array
  readonly limits?: Partial<FlowLimits>
  /** Of flows for which nothing else is said; default: cubic. */
  readonly congestion?: CongestionName
  /** 2014: whether no other stack shares this one's addresses, so that what it does not know nobody does; default: yes. */
  readonly speaksForHost?: () => boolean
  /** Told of every state that a flow enters. */
  readonly trace?: (flow: AnyFlow, from: FlowState, to: FlowState) => void
}

export interface ConnectOptions {
  readonly serviceId: ServiceId
  /** As the program wrote it. */
  readonly name?: string | undefined
  /** How long set-up may take; default: the profile's. */
  readonly timeoutMs?: number | undefined
  readonly congestion?: CongestionName | undefined
  /** What it is to carry; default: a stream. */
  readonly protocol?: Protocol | undefined
  /** Of datagrams: the port of this host that they are from; default: none. */
  readonly port?: number | undefined
}

export const DEFAULT_LIMITS: FlowLimits = {
  receiveBufferBytes: 16 << 20,
  receiveMemoryBytes: 1 << 30,
  burstBytes: 4 << 20,
  sendBufferBytes: 16 << 20,
  deadPeerMs: 120_000,
  // 546 bytes a second: half of what a modem of 9,600 baud brings
  minProgressBytes: 32 << 10,
}
