/** How a rule's packets are shared: which algorithm, and what tempers the weights that it sees. */
import { type Endpoint, sameEndpoint } from '../../wire/endpoint.ts'
import type { Balancer, Candidate, Choice } from './balancer.ts'
import { LeastLoaded } from './least-loaded.ts'
import { Locality } from './locality.ts'
import { Maglev } from './maglev.ts'
import { type Observation, Observed } from './observed.ts'
import { ejectAfter, ejectionsHold } from './outlier-ejection.ts'
import { DEFAULT_HEDGE_AT, patienceMs } from './patience.ts'
import { PeakEwma } from './peak-ewma.ts'
import { RoundRobin } from './round-robin.ts'
import { slowStartShare } from './slow-start.ts'
import { weightedRandom } from './weighted-random.ts'

/** What a FORWARD rule says about it. */
export interface SharingPolicy {
  /** Default: random. */
  readonly balance?: BalanceName
  /** Datagrams go to all targets of the highest live priority. A SYN still goes to one. */
  readonly toAll?: boolean
  /** How long a new target takes to get all of its weight. Default: none. Not with maglev. */
  readonly slowStartMs?: number
  /** Failures in a row after which a target is left out for a while. Default: never. */
  readonly ejectAfter?: number
  /** With locality: the load of near targets, above 0 and below 1, from which packets spill over. Default 0.8. */
  readonly spillAt?: number
  /**
   * Who has been asked to set up a flow and does not answer is not the only one to be asked for longer than this share of the
   * others' answers take: above 0 and below 1, or 0: until it is repeated anyway. Default 0.95.
   */
  readonly hedgeAt?: number
}

const makers = {
  random: () => weightedRandom,
  'round-robin': candidates => new RoundRobin(candidates),
  'least-loaded': candidates => new LeastLoaded(candidates),
  'peak-ewma': candidates => new PeakEwma(candidates),
  maglev: candidates => new Maglev(candidates),
  locality: (candidates, policy) => new Locality(candidates, policy.spillAt),
} as const satisfies Record<string, (candidates: readonly Candidate[], policy: SharingPolicy) => Balancer>

export type BalanceName = keyof typeof makers
export const BALANCE_NAMES = Object.keys(makers) as readonly BalanceName[]

interface Shared {
  readonly endpoint: Endpoint
  readonly weight: number
}

/** Picks among the targets that serve one entry. Made anew when they change; what it has observed goes on. */
export class Sharing {
  readonly #policy: SharingPolicy
  readonly #candidates: readonly Candidate[]
  readonly #balancer: Balancer
  /** As the rules say, and as they are now. */
  readonly #weights: Float64Array
  readonly #current: Float64Array

  constructor(
    policy: SharingPolicy,
    targets: readonly Shared[],
    nowMs: number,
    previous: readonly Sharing[] = [],
  ) {
    this.#policy = policy
    this.#candidates = targets.map(({ endpoint, weight }) => ({
      endpoint,
      weight,
      observed: observedBefore(endpoint, previous) ?? new Observed(nowMs),
    }))
    this.#balancer = makers[policy.balance ?? 'random'](this.#candidates, policy)
    this.#weights = Float64Array.from(targets, ({ weight }) => weight)
    this.#current = this.#weights.slice()
  }

  /** HOT. Index of the target that gets the packet; there is at least one. */
  pick(choice: Choice): number {
    return this.#balancer.pick(this.#weightsFor(choice), choice)
  }

  /** What is known of the target at an endpoint. */
  observed(endpoint: Endpoint): Observed | undefined {
    return this.#candidateAt(endpoint)?.observed
  }

  /** Takes down how the target at an endpoint does; false if there is none. */
  observe(endpoint: Endpoint, observation: Observation, nowMs: number): boolean {
    const candidate = this.#candidateAt(endpoint)
    if (candidate === undefined) return false
    candidate.observed.handle(observation, nowMs)
    const after = this.#policy.ejectAfter
    if (after !== undefined) ejectAfter(candidate, this.#candidates, after, nowMs)
    return true
  }

  /** Whether all of them do nothing but fail. */
  isDown(nowMs: number): boolean {
    return this.#candidates.every(({ observed }) => observed.isDown(nowMs))
  }

  /** Whether there is one that `choice` does not avoid. */
  hasOther({ avoids }: Choice): boolean {
    return avoids === undefined || this.#candidates.some(({ endpoint }) => !avoids(endpoint))
  }

  /** How long to wait for those whom `avoids` names before another is asked too; undefined: there is no other. */
  patienceMs(avoids: (endpoint: Endpoint) => boolean): number | undefined {
    const { hedgeAt = DEFAULT_HEDGE_AT } = this.#policy
    if (hedgeAt === 0) return undefined
    const others = this.#candidates.filter(({ endpoint }) => !avoids(endpoint))
    return patienceMs(
      others.map(({ observed }) => observed.times),
      hedgeAt,
    )
  }

  #candidateAt(endpoint: Endpoint): Candidate | undefined {
    return this.#candidates.find(candidate => sameEndpoint(candidate.endpoint, endpoint))
  }

  /** As they are now, without those that are avoided, as long as another is left. */
  #weightsFor({ nowMs, avoids }: Choice): Float64Array {
    const weights = this.#weightsAt(nowMs)
    if (avoids === undefined) return weights
    const isLeft = (i: number) => weights[i]! > 0 && !avoids(this.#candidates[i]!.endpoint)
    if (!this.#candidates.some((_, i) => isLeft(i))) return weights
    return weights.map((weight, i) => (isLeft(i) ? weight : 0))
  }

  #weightsAt(nowMs: number): Float64Array {
    const { slowStartMs = 0, ejectAfter } = this.#policy
    if (slowStartMs === 0 && ejectAfter === undefined) return this.#weights
    const ejects = ejectAfter !== undefined && ejectionsHold(this.#candidates, nowMs)
    for (let i = 0; i < this.#candidates.length; i++) {
      const { observed } = this.#candidates[i]!
      const share = slowStartMs === 0 ? 1 : slowStartShare(nowMs - observed.joinedAt, slowStartMs)
      this.#current[i] = ejects && observed.isEjected(nowMs) ? 0 : this.#weights[i]! * share
    }
    return this.#current
  }
}

function observedBefore(endpoint: Endpoint, sharings: readonly Sharing[]): Observed | undefined {
  for (const sharing of sharings) {
    const observed = sharing.observed(endpoint)
    if (observed !== undefined) return observed
  }
  return undefined
}
