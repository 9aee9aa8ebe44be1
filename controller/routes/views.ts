/** What the REST shows of the registry. The shapes are held by src/schemas/rest-*. */
import { eachShare } from '../../src/control/shares.ts'
import type { SharingPolicy } from '../../src/service/balance/sharing.ts'
import type { PolicyLine } from '../../src/service/policy-text.ts'
import { nameOfProtocol } from '../../src/service/rule.ts'
import { formatSharing } from '../../src/service/sharing-text.ts'
import { formatEndpoint } from '../../src/wire/endpoint.ts'
import type { Hub } from '../hub.ts'
import type { Member, Service } from '../registry.ts'

/** The hub, what it was started with, and the time on its clock. */
export interface ControllerState {
  readonly hub: Hub
  readonly controller: string
  readonly pid: number
  readonly leaseMs: number
  readonly startedAt: number
  nowMs(): number
}

export function serviceSummary({ name, prefix, registrations }: Service) {
  return { name, serviceId: prefix.id.toString(), bits: prefix.bits, instances: registrations.size }
}

export function serviceDetail(state: ControllerState, { name, prefix, registrations }: Service) {
  const nowMs = state.nowMs()
  return {
    name,
    serviceId: prefix.id.toString(),
    bits: prefix.bits,
    ...shareOf(state.hub.registry.policies.sharingOf(prefix)),
    instances: [...registrations.values()].flatMap(registration =>
      eachShare(registration).map(({ weight, priority, protocol }) => ({
        ...process(state.hub.registry.members.get(registration.instance)!),
        weight,
        priority,
        ...(protocol !== undefined && { protocol: nameOfProtocol(protocol) }),
        ...registration.load,
        registeredForMs: Math.round(nowMs - registration.registeredAt),
      })),
    ),
  }
}

export function policyView({ pattern, sharing }: PolicyLine) {
  return { pattern, ...shareOf(sharing) }
}

/** Nothing, where nobody has said how. */
function shareOf(sharing: SharingPolicy | undefined) {
  return sharing === undefined ? undefined : { share: formatSharing(sharing).join(' ') }
}

export function instanceView(state: ControllerState, member: Member) {
  return {
    ...routerView(state, member),
    services: state.hub.registry.servicesOf(member.instance).map(({ name }) => name),
  }
}

export function routerView(state: ControllerState, member: Member) {
  const nowMs = state.nowMs()
  return {
    ...process(member),
    connectedForMs: Math.round(nowMs - member.joinedAt),
    silentForMs: Math.round(nowMs - (state.hub.heardAt(member.instance) ?? nowMs)),
  }
}

/** Members by the host they run on; those that do not know theirs are by their host's name. */
export function hostViews(state: ControllerState) {
  const hosts = new Map<string, { host: string; hostId: string; instances: string[]; routers: string[] }>()
  for (const { kind, instance, hostName, hostId } of state.hub.registry.members.values()) {
    const key = JSON.stringify([hostId, hostName])
    const view = hosts.get(key) ?? { host: hostName, hostId, instances: [], routers: [] }
    hosts.set(key, view)
    if (kind === 'router') view.routers.push(instance)
    else view.instances.push(instance)
  }
  return [...hosts.values()]
}

export function healthView(state: ControllerState) {
  const { hub, controller, pid, leaseMs, startedAt } = state
  const members = [...hub.registry.members.values()]
  const routers = members.filter(member => member.kind === 'router').length
  return {
    // Holding: so many are silent at once that what is shown may be old.
    status: hub.isHoldingEvictions ? 'holding' : 'ok',
    controller,
    pid,
    upForMs: Math.round(state.nowMs() - startedAt),
    leaseMs,
    connections: hub.connections,
    services: hub.registry.services.size,
    instances: members.length - routers,
    routers,
    counters: { ...hub.counters },
  }
}

function process({ instance, program, pid, hostName, endpoints }: Member) {
  return { instance, program, pid, host: hostName, endpoints: endpoints.map(formatEndpoint) }
}
