/**
 * Where instances want to be asked themselves (src/wire/README.md, "Set-up and keys"): of each flow what has been said of it,
 * and which of that it has followed. Where several instances were asked by way of routers several may say so, and again
 * while the flow is on its way to them.
 */
import type { AnyFlow } from '../flow/any-flow.ts'
import { type Endpoint, sameEndpoint } from '../wire/endpoint.ts'
import { SILENCE_MS } from './attempts.ts'

interface Said {
  /** Not followed yet. */
  readonly next: Endpoint | undefined
  readonly followed: readonly Endpoint[]
  readonly followedAt: number
}

/** How often a flow lets itself be sent elsewhere. */
const LIMIT = 3
const NOTHING: Said = { next: undefined, followed: [], followedAt: Number.NEGATIVE_INFINITY }

export class Directions {
  readonly #said = new WeakMap<AnyFlow, Said>()

  /** An instance wants the flow's SYN at `endpoint`; undefined: at a place that is none. */
  handle(flow: AnyFlow, endpoint: Endpoint | undefined, nowMs: number): void {
    const said = this.#of(flow)
    const isUnderWay = (to: Endpoint) =>
      this.isUnderWay(flow, nowMs) && said.followed.some(other => sameEndpoint(other, to))
    const isWorthIt = endpoint && said.followed.length < LIMIT && !isUnderWay(endpoint)
    this.#said.set(flow, { ...said, next: isWorthIt ? endpoint : undefined })
  }

  isDue(flow: AnyFlow): boolean {
    return this.#of(flow).next !== undefined
  }

  /** Whether a SYN that followed one may still be answered. */
  isUnderWay(flow: AnyFlow, nowMs: number): boolean {
    return nowMs < this.#of(flow).followedAt + SILENCE_MS
  }

  /** Where the flow's next SYN goes, if it is there that it is wanted. */
  take(flow: AnyFlow, nowMs: number): Endpoint | undefined {
    const { next, followed } = this.#of(flow)
    if (next === undefined) return undefined
    this.#said.set(flow, { next: undefined, followed: [...followed, next], followedAt: nowMs })
    return next
  }

  #of(flow: AnyFlow): Said {
    return this.#said.get(flow) ?? NOTHING
  }
}
