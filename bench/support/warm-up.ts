/**
 * How much of a row's time is not counted: the first three quarters, the same for every row and peer. What is compiled in
 * the first seconds of a program says little of a server that has run for an hour.
 */
export function warmUpMs(seconds: number): number {
  return 750 * seconds
}
