/** Sharing packets among the targets that serve an entry: one short file an algorithm behind this interface. */
import type { Endpoint } from '../../wire/endpoint.ts'
import type { Observed } from './observed.ts'

/** One of those who share. */
export interface Candidate {
  readonly endpoint: Endpoint
  /** Above 0. */
  readonly weight: number
  /** What is known of how it does. */
  readonly observed: Observed
}

/** What a choice may depend on: all of it comes from outside. */
export interface Choice {
  /** Random, in [0, 1). */
  readonly uniform: number
  readonly nowMs: number
  /** 32 bits that are the same for packets that had better reach the same target (`affinityOf`). */
  affinity(): number
  /** Whether an endpoint is in a subnet of one's own. */
  isNear(endpoint: Endpoint): boolean
  /** Whether an endpoint had better not be chosen again: it has been asked already. */
  avoids?(endpoint: Endpoint): boolean
  /** The same flow has had its turn: this one takes none, and may be chosen for the sake of another choice alone. */
  readonly isAgain?: boolean
}

/** Made for candidates that stay the same; others get another one. */
export interface Balancer {
  /**
   * The index of a candidate. `weights` are those of this moment, one for each candidate: 0 leaves one out, and at least
   * one is above 0. Allocates nothing.
   */
  pick(weights: ArrayLike<number>, choice: Choice): number
}
