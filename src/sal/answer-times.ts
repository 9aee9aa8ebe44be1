/**
 * How long set-ups by way of routers took to be answered, by service and instance: from it follows how long to wait for the
 * instance that a router chose before the router is asked for another (`service/balance/patience.ts`). The router sees no
 * answers, and whoever asks it does not know whom it chose; but each SYN-ACK tells from whom it is, and to which SYN.
 */
import type { QueueSize } from '../flow/queue-size.ts'
import type { ServiceId } from '../id/service-id.ts'
import { patienceMs } from '../service/balance/patience.ts'
import { RecentTimes } from '../service/balance/recent-times.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'

/** Services, and instances of each, that are remembered; who was heard longest ago gives way. */
const SERVICES = 64
const INSTANCES = 8
/** An instance that has not been heard for so long says nothing of how fast the others are. */
const BELIEVED_MS = 300_000

interface Heard {
  readonly times: RecentTimes
  at: number
}

export class AnswerTimes {
  /** Both in the order in which they were heard last. */
  readonly #services = new Map<string, Map<string, Heard>>()

  get queues(): readonly QueueSize[] {
    return [{ name: 'services by way of routers', size: this.#services.size, limit: SERVICES }]
  }

  /** An instance has answered a SYN after so long. */
  add(service: ServiceId, instance: Endpoint, afterMs: number, nowMs: number): void {
    const instances = touch(this.#services, service.toString(), () => new Map<string, Heard>(), SERVICES)
    const fresh = () => ({ times: new RecentTimes(), at: nowMs })
    const heard = touch(instances, formatEndpoint(instance), fresh, INSTANCES)
    heard.times.add(afterMs)
    heard.at = nowMs
  }

  /** How long to wait for an answer before another instance is asked too: until a share `at` of some instance's would be there. */
  patienceMs(service: ServiceId, at: number, nowMs: number): number | undefined {
    if (at === 0) return undefined
    const instances = this.#services.get(service.toString())?.values() ?? []
    const known = [...instances].filter(heard => nowMs < heard.at + BELIEVED_MS)
    return patienceMs(known.length > 0 ? known.map(({ times }) => times) : [NOTHING], at)
  }
}

const NOTHING = new RecentTimes()

/** What a map has under a key, or a new one, as its youngest; the oldest of too many goes. */
function touch<T>(map: Map<string, T>, key: string, fresh: () => T, limit: number): T {
  const value = map.get(key) ?? fresh()
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) {
    const [oldest] = map.keys()
    map.delete(oldest!)
  }
  return value
}
