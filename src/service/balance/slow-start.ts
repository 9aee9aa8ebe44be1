/**
 * A target that has just come begins with a tenth of its weight and reaches all of it linearly (Envoy, "Slow start mode",
 * aggression 1): caches are cold and code is not compiled yet.
 */
const LEAST_SHARE = 0.1

/** The part of its weight that a target of some age has, 0.1 to 1. */
export function slowStartShare(ageMs: number, windowMs: number): number {
  return Math.min(1, Math.max(LEAST_SHARE, ageMs / windowMs))
}
