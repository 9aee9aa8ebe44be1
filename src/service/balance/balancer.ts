/** Sharing packets among the targets that serve an entry: one short file an algorithm behind this interface. */

export interface Weighted {
  /** Above 0. */
  readonly weight: number
}

export interface Balancer {
  /** One of `targets`, by `uniform` in [0, 1); undefined if there are none. Allocates nothing. */
  pick<T extends Weighted>(targets: readonly T[], uniform: number): T | undefined
}
