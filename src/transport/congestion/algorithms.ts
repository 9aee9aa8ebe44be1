/** The algorithms by name. */
import { Bbr } from './bbr.ts'
import type { CongestionControl, CongestionName } from './congestion.ts'
import { Cubic } from './cubic.ts'

/** Each makes a fresh one for a path of segments of `mss` bytes. */
export type CongestionFactories = Readonly<Record<CongestionName, (mss: number) => CongestionControl>>

/** `random` is 0 to 1. */
export function congestionFactories(random: () => number): CongestionFactories {
  return { cubic: mss => new Cubic(mss), bbr: mss => new Bbr(mss, random) }
}
