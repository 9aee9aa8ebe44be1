/** `packets` and `bytes` were resolved, DROPs included; `drops` of them were not delivered. */
export interface Counters {
  packets: number
  bytes: number
  drops: number
}

export function zeroCounters(): Counters {
  return { packets: 0, bytes: 0, drops: 0 }
}

export function addTo(counters: Counters, packets: number, bytes: number, drops: number): void {
  counters.packets += packets
  counters.bytes += bytes
  counters.drops += drops
}
