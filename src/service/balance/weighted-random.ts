/** Each target gets its weight's share of the packets, in no order, as the 2014 prototype shares them. */
import type { Balancer } from './balancer.ts'

export const weightedRandom: Balancer = {
  pick(targets, uniform) {
    let total = 0
    for (const target of targets) total += target.weight
    let left = uniform * total
    for (const target of targets) {
      left -= target.weight
      if (left < 0) return target
    }
    // Only rounding leads here: then it is the last one's share.
    return targets[targets.length - 1]
  },
}
