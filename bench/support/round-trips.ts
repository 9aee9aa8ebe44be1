/** Requests one at a time, each sent when the reply to the last has come: what `latency` measures, over anything. */
import { quantile } from './statistics.ts'

export const REQUEST_BYTES = 64

export interface RoundTrips {
  readonly count: number
  readonly p50us: number
  readonly p99us: number
}

/** `exchange` resolves when the reply is there. */
export async function measureRoundTrips(exchange: () => Promise<void>, seconds: number): Promise<RoundTrips> {
  const roundTripsUs: number[] = []
  let now = performance.now()
  for (const endAt = now + 1000 * seconds; now < endAt; ) {
    const sentAt = now
    await exchange()
    now = performance.now()
    roundTripsUs.push(1000 * (now - sentAt))
  }
  return {
    count: roundTripsUs.length,
    p50us: quantile(roundTripsUs, 0.5),
    p99us: quantile(roundTripsUs, 0.99),
  }
}
