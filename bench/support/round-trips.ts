/** Requests one at a time, each sent when the reply to the last has come: what `latency` measures, over anything. */
import { quantile } from './statistics.ts'

export const REQUEST_BYTES = 64
/** Of a short time, a third. */
const WARM_UP_MS = 300

export interface RoundTrips {
  readonly p50us: number
  readonly p99us: number
}

/** `exchange` resolves when the reply is there. The first moments are not counted, nor is what ends after the time. */
export async function measureRoundTrips(exchange: () => Promise<void>, seconds: number): Promise<RoundTrips> {
  const roundTripsUs: number[] = []
  const startedAt = performance.now()
  const endAt = startedAt + 1000 * seconds
  const countFrom = startedAt + Math.min(WARM_UP_MS, (1000 * seconds) / 3)
  for (let now = startedAt; now < endAt; ) {
    const sentAt = now
    await exchange()
    now = performance.now()
    if (sentAt >= countFrom) roundTripsUs.push(1000 * (now - sentAt))
  }
  return { p50us: quantile(roundTripsUs, 0.5), p99us: quantile(roundTripsUs, 0.99) }
}
