/**
 * Sequence numbers at the edge of the stack. Inside they are plain numbers that only grow, below 2^53; on the
 * wire they are cut to 48 bits (native) or 32 (the 2014 TCP header).
 */

/** What of `sequence` goes on the wire. */
export function wrap48(sequence: number): number {
  return remainder(sequence, MODULUS_48)
}

/** The number that is `wire` on the wire and closest to `near`; exact if they are less than 2^47 apart. */
export function unwrap48(wire: number, near: number): number {
  return unwrap(wire, near, MODULUS_48)
}

export function wrap32(sequence: number): number {
  return remainder(sequence, MODULUS_32)
}

/** As `unwrap48`; exact if less than 2^31 apart. */
export function unwrap32(wire: number, near: number): number {
  return unwrap(wire, near, MODULUS_32)
}

function unwrap(wire: number, near: number, modulus: number): number {
  const ahead = wire - remainder(near, modulus)
  if (ahead >= modulus / 2) return near + ahead - modulus
  return ahead < -modulus / 2 ? near + ahead + modulus : near + ahead
}

/** A division of floating-point numbers costs as much as the rest of a header; it is seldom needed. */
function remainder(sequence: number, modulus: number): number {
  return sequence < modulus ? sequence : sequence % modulus
}

const MODULUS_48 = 2 ** 48
const MODULUS_32 = 2 ** 32
