/** Serial number arithmetic on uint32 (RFC 1982): the order of verno, ackno and the 2014 TCP numbers. */

/** `number + step`, modulo 2^32; `step` may be negative. */
export function serialAdd(number: number, step: number): number {
  return (number + step) >>> 0
}

/** How far `a` is ahead of `b`, -2^31 .. 2^31-1. */
export function serialDiff(a: number, b: number): number {
  return (a - b) | 0
}

/** Whether `a` comes before `b`. Numbers exactly 2^31 apart are each before the other (RFC 1982 3.2: undefined). */
export function serialLt(a: number, b: number): boolean {
  return serialDiff(a, b) < 0
}
