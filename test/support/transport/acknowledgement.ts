/** What a congestion control is told of an acknowledgement, in which nothing but the given is remarkable. */
import type { Acknowledgement } from '../../../src/transport/congestion/congestion.ts'
import { DeliveryRate, type RateSample } from '../../../src/transport/delivery-rate.ts'

type Remarkable = Partial<Omit<Acknowledgement, 'rate'>> & { readonly rate?: Partial<RateSample> }

export function acknowledgement({ rate = {}, ...remarkable }: Remarkable): Acknowledgement {
  return {
    nowMs: 0,
    deliveredBytes: 0,
    lostBytes: 0,
    inFlightBytes: 0,
    rttMs: undefined,
    srttMs: 0,
    windowLimited: true,
    inRecovery: false,
    ...remarkable,
    rate: Object.assign(new DeliveryRate(), rate),
  }
}

/** `bytes` have arrived while the window was the limit. */
export function delivered(bytes: number, srttMs: number, nowMs: number): Acknowledgement {
  return acknowledgement({ deliveredBytes: bytes, srttMs, nowMs })
}
