/** SYNs that programs send to find out their way, and who is told what came of them. */
import { ServalError } from '../errors.ts'
import type { Sal } from '../sal/sal.ts'
import type { TraceOutcome, TraceProbe } from '../sal/tracer.ts'
import { type ProtocolName, protocolOfName } from '../service/rule.ts'
import { nowMs } from './clock.ts'
import { nameOfTarget, type ServiceTarget } from './names.ts'

export interface TraceOptions {
  /** How many routers may send the SYN on: the next one answers. */
  readonly hops: number
  /** How long an answer is waited for. */
  readonly timeoutMs: number
  /** What the SYN asks for, as rules call it; default: a stream. */
  readonly protocol?: ProtocolName | undefined
}

export class Traces {
  readonly #sal: Sal
  readonly #waiting = new Map<TraceProbe, (outcome: TraceOutcome) => void>()

  constructor(sal: Sal) {
    this.#sal = sal
  }

  /** Throws ESERVICENAME, ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_VALUE where the profile has no such packets. */
  trace(target: ServiceTarget, options: TraceOptions): Promise<TraceOutcome> {
    const { text, id } = nameOfTarget(target)
    const protocol = protocolOfName(options.protocol ?? 'stream')
    const probe = this.#sal.trace({ ...options, protocol, serviceId: id, name: text }, nowMs())
    if (probe === undefined) throw unsupportedProfile(this.#sal.profile.name)
    return new Promise(resolve => this.#waiting.set(probe, resolve))
  }

  handleTraced(probe: TraceProbe): void {
    const resolve = this.#waiting.get(probe)
    this.#waiting.delete(probe)
    if (probe.outcome !== undefined) resolve?.(probe.outcome)
  }
}

function unsupportedProfile(profile: string): ServalError {
  return new ServalError('ERR_INVALID_ARG_VALUE', {
    argument: 'profile',
    expected: '"native" (packets of 2014 have no count of hops to trace a way by)',
    received: JSON.stringify(profile),
  })
}
