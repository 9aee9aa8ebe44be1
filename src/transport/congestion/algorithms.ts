/** The algorithms by name. */
import { Bbr } from './bbr.ts'
import type { CongestionControl, CongestionName } from './congestion.ts'
import { Cubic } from './cubic.ts'

/** A fresh one for a path of segments of `mss` bytes; `random` is 0 to 1. */
export function congestionControl(
  name: CongestionName,
  mss: number,
  random: () => number,
): CongestionControl {
  return name === 'bbr' ? new Bbr(mss, random) : new Cubic(mss)
}
