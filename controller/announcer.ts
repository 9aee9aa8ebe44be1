/** Tells members what has changed: each router everything, each host what it has asked about, everybody the routers. */
import type { ControlMessage, GoneReason } from '../src/control/messages.ts'
import {
  allRules,
  changeForHost,
  changeForRouter,
  loadReports,
  loadsForHost,
  ruleUpdates,
} from './announcements.ts'
import type { InstanceLoad } from './loads.ts'
import { exclusiveEndpoints, reachableEndpoints, routersFor } from './policy.ts'
import type { Member, Registry } from './registry.ts'
import type { Session } from './session.ts'

export interface AnnouncerOptions {
  readonly registry: Registry
  /** The connections of all members. */
  listeners(): Iterable<Session>
  send(session: Session, message: ControlMessage): void
}

export class Announcer {
  readonly #options: AnnouncerOptions
  /** Routers came, went or moved since everybody was told of them. */
  #areRoutersChanged = false

  constructor(options: AnnouncerOptions) {
    this.#options = options
  }

  handleRoutersChanged(): void {
    this.#areRoutersChanged = true
  }

  /** Every rule, to a router; it forgets others, unless it holds what an earlier controller told it. */
  tellAll(session: Session): void {
    const { registry, send } = this.#options
    for (const update of ruleUpdates(!session.isProvisional, allRules(registry, session.member!), [])) {
      send(session, update)
    }
  }

  tellRouters(session: Session): void {
    const { registry, send } = this.#options
    send(session, { type: 'routers', routers: routersFor(registry.members.values(), session.member!) })
  }

  /** What has changed since the last call. */
  tellChanges(): void {
    const { registry, listeners, send } = this.#options
    const changed = registry.takeChanges()
    if (changed.length > 0) {
      for (const session of listeners()) {
        const { member, known } = session
        const { add, remove } =
          member!.kind === 'router'
            ? changeForRouter(registry, changed, member!)
            : changeForHost(registry, changed, known, member!)
        for (const update of ruleUpdates(false, add, remove)) send(session, update)
      }
    }
    if (!this.#areRoutersChanged) return
    this.#areRoutersChanged = false
    for (const session of listeners()) this.tellRouters(session)
  }

  /** How busy instances are: to routers, and to hosts that know them. */
  tellLoads(loads: readonly InstanceLoad[]): void {
    const { registry, listeners, send } = this.#options
    for (const session of listeners()) {
      const isRouter = session.member!.kind === 'router'
      const heard = isRouter ? loads : loadsForHost(registry, loads, session.known)
      for (const report of loadReports(heard)) send(session, report)
    }
  }

  /** To hosts: flows to a member may have lost their peer. */
  tellGone(gone: Member, reason: GoneReason): void {
    const { registry, listeners, send } = this.#options
    const endpoints = exclusiveEndpoints(gone, registry.members.values())
    for (const session of listeners()) {
      const receiver = session.member!
      if (receiver.kind !== 'host') continue
      const reachable = reachableEndpoints({ ...gone, endpoints }, receiver)
      if (reachable.length === 0) continue
      send(session, { type: 'instanceGone', instance: gone.instance, endpoints: reachable, reason })
    }
  }
}
