/** What is told of a flow: `socket.flow`, `serval flows`. Plain data. */
import type { FlowId } from '../id/flow-id.ts'
import type { ServiceId } from '../id/service-id.ts'
import type { CongestionName } from '../transport/congestion/congestion.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { TransportStats } from './flow-transport.ts'
import type { Path } from './path.ts'
import type { FlowState, MigrationState } from './states.ts'

export interface PathInfo {
  readonly local: string
  readonly remote: string
  readonly srttMs: number | null
  /** Bytes. */
  readonly cwnd: number
  readonly congestion: CongestionName
  /** Bytes of an IP packet. */
  readonly mtu: number
  readonly active: boolean
}

export interface FlowInfo {
  readonly flowId: FlowId
  readonly peerFlowId: FlowId
  readonly role: 'client' | 'server'
  readonly state: FlowState
  readonly migrationState: MigrationState
  readonly service: string
  readonly security: 'plain'
  readonly paths: readonly PathInfo[]
  readonly bytesIn: number
  readonly bytesOut: number
  readonly retransmits: number
}

/** What of it the flow itself holds. */
export interface FlowFacts {
  readonly flowId: FlowId
  readonly peerFlowId: FlowId
  readonly role: 'client' | 'server'
  readonly state: FlowState
  readonly migrationState: MigrationState
  readonly service: ServiceId
  readonly serviceName: string | undefined
  readonly activePath: Path | undefined
}

export function flowInfo(
  flow: FlowFacts,
  paths: readonly Path[],
  stats: TransportStats | undefined,
): FlowInfo {
  return {
    flowId: flow.flowId,
    peerFlowId: flow.peerFlowId,
    role: flow.role,
    state: flow.state,
    migrationState: flow.migrationState,
    service: flow.serviceName ?? flow.service.toString(),
    security: 'plain',
    paths: paths.map(path => pathInfo(path, path === flow.activePath)),
    bytesIn: stats?.bytesIn ?? 0,
    bytesOut: stats?.bytesOut ?? 0,
    retransmits: stats?.retransmittedSegments ?? 0,
  }
}

function pathInfo(path: Path, active: boolean): PathInfo {
  const { rtt, shown } = path.transport
  return {
    local: formatEndpoint(path.local.endpoint),
    remote: formatEndpoint(path.remote),
    srttMs: rtt.srttMs ?? null,
    cwnd: Math.round(shown.windowBytes),
    congestion: shown.name,
    mtu: path.mtu.ipPacketBytes,
    active,
  }
}
