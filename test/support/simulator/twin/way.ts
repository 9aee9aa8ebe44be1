/** One way through simulated links for packets of a twin, which are not parsed by anybody: only their size travels. */
import type { EventQueue } from '../event-queue.ts'
import type { Link } from '../link.ts'

export interface Hop {
  readonly link: Link
  /** As the network names them: `up` and `down`, or the sender's own name where both ends are on one link. */
  readonly pipe: string
}

export class Way {
  readonly #queue: EventQueue
  readonly #hops: readonly Hop[]

  constructor(queue: EventQueue, hops: readonly Hop[]) {
    this.#queue = queue
    this.#hops = hops
  }

  /** Calls `arrive` when an IP packet of `bytes` comes out at the end, if it does. */
  send(bytes: number, arrive: () => void, hop = 0): void {
    const next = this.#hops[hop]
    if (next === undefined) {
      arrive()
      return
    }
    const { link, pipe } = next
    const fate = link.carry(pipe, bytes, this.#queue.nowMs)
    if (typeof fate === 'number' && !link.corrupts()) {
      this.#queue.at(fate, () => this.send(bytes, arrive, hop + 1))
    }
  }
}
