/** Moves of flows that a program asks for, from the command to the peer's confirmation. */
import { ServalError } from '../errors.ts'
import type { AnyFlow } from '../flow/any-flow.ts'
import type { Local } from '../flow/path.ts'
import { FlowSignal, hasPeer } from '../flow/states.ts'
import { reaches } from '../sal/locals.ts'
import type { Sal } from '../sal/sal.ts'
import { type Endpoint, endpointFamily, formatEndpoint } from '../wire/endpoint.ts'
import { nowMs } from './clock.ts'
import type { LocalLinks } from './local-links.ts'

/** Where a flow is to go on. */
export type MigrateTarget = { readonly address: string } | { readonly interface: string }

interface Move {
  readonly localId: number
  resolve(): void
  reject(error: Error): void
}

export class Moves {
  readonly #sal: Sal
  readonly #links: LocalLinks
  readonly #wake: () => void
  readonly #moves = new Map<AnyFlow, Move>()

  constructor(sal: Sal, links: LocalLinks, wake: () => void) {
    this.#sal = sal
    this.#links = links
    this.#wake = wake
  }

  /** As `Stack.migrate`. A newer move of the flow takes an older one's place, which rejects with ECONNABORTED. */
  async migrate(flow: AnyFlow, target: MigrateTarget): Promise<void> {
    const { activePath } = flow
    if (activePath === undefined || !hasPeer(flow.state)) throw new ServalError('ERR_SOCKET_CLOSED', {})
    const { remote } = activePath
    const local = this.#localFor(target, remote)
    if (!reaches(local, remote)) {
      const reason = `${formatEndpoint(remote)} cannot be reached from ${local.endpoint.address}`
      throw new ServalError('EHOSTUNREACH', { syscall: 'migrate', service: flow.serviceName, reason })
    }
    if (activePath.local.id === local.id && flow.info().migrationState === 'INITIAL') return
    const moved = this.#begin(flow, local.id)
    this.#sal.migrate(flow, local.id, nowMs())
    this.#wake()
    await moved
  }

  /** What a flow has to say. */
  handleSignals(flow: AnyFlow, signals: number): void {
    const move = this.#moves.get(flow)
    if (move === undefined) return
    if (signals & FlowSignal.closed) {
      this.#moves.delete(flow)
      move.reject(flow.error ?? new ServalError('ERR_SOCKET_CLOSED', {}))
    } else if (signals & FlowSignal.moved && !isMoving(flow)) {
      this.#moves.delete(flow)
      const { local, remote } = flow.activePath ?? {}
      if (local === undefined || local.id === move.localId) return move.resolve()
      // RSYN stayed unanswered, and the flow has gone on from another address, perhaps its old one.
      const reason = `${remote && formatEndpoint(remote)} did not answer there; the flow goes on from ${local.endpoint.address}`
      move.reject(new ServalError('EHOSTUNREACH', { syscall: 'migrate', service: flow.serviceName, reason }))
    }
  }

  #begin(flow: AnyFlow, localId: number): Promise<void> {
    this.#moves
      .get(flow)
      ?.reject(new ServalError('ECONNABORTED', { syscall: 'migrate', reason: 'moved again' }))
    return new Promise((resolve, reject) => this.#moves.set(flow, { localId, resolve, reject }))
  }

  #localFor(target: MigrateTarget, remote: Endpoint): Local {
    const { address: asked, interface: named } = (target ?? {}) as { address?: unknown; interface?: unknown }
    if (typeof asked !== 'string' && typeof named !== 'string') {
      const expected = '{ address: string } or { interface: string }'
      const received = target === null ? 'null' : typeof target
      throw new ServalError('ERR_INVALID_ARG_TYPE', { argument: 'target', expected, received })
    }
    const isAddress = 'address' in target
    const entry = isAddress
      ? this.#links.find(target.address)
      : this.#links.findInterface(target.interface, endpointFamily(remote))
    if (entry !== undefined) return entry.local
    const address = isAddress ? target.address : target.interface
    const available = this.#links.all.map(({ host }) => (isAddress ? host.address : host.interfaceName))
    const text = `${address}: this host has ${[...new Set(available)].join(', ')}`
    throw Object.assign(new ServalError('EADDRNOTAVAIL', { syscall: 'migrate', address: text }), { address })
  }
}

/** Whether a move of this end's own is under way; one of the peer's may have ended meanwhile. */
function isMoving({ migrationState }: AnyFlow): boolean {
  return migrationState !== 'INITIAL' && migrationState !== 'RSYN_RECV'
}
