/** Questions to the controller that have no answer yet: one for each service, however often it is asked. */
import type { NamedPrefix, Resolve } from './messages.ts'

export interface Resolution {
  readonly service: NamedPrefix
  readonly deadlineAt: number
  /** Somebody waits for the outcome; otherwise it only brings what is known up to date. */
  awaited: boolean
  /** Of the question on this connection; undefined as long as it has not been put. */
  xid: number | undefined
}

/** A program cannot fill memory with questions (src/wire/README.md, "Control numbers": every queue has a cap). */
export const MAX_RESOLUTIONS = 1024

export class Resolutions {
  readonly #byService = new Map<string, Resolution>()
  readonly #byXid = new Map<number, Resolution>()
  #lastXid = 0

  get isFull(): boolean {
    return this.#byService.size >= MAX_RESOLUTIONS
  }

  /** undefined if it is asked already; whoever asks now waits for that answer. */
  add(service: NamedPrefix, deadlineAt: number, awaited: boolean): Resolution | undefined {
    const key = service.prefix.toString()
    const known = this.#byService.get(key)
    if (known !== undefined) {
      known.awaited ||= awaited
      return undefined
    }
    const resolution = { service, deadlineAt, awaited, xid: undefined }
    this.#byService.set(key, resolution)
    return resolution
  }

  /** The question as it goes over the present connection. */
  request(resolution: Resolution): Resolve {
    this.#lastXid = (this.#lastXid + 1) >>> 0
    resolution.xid = this.#lastXid
    this.#byXid.set(this.#lastXid, resolution)
    return { type: 'resolve', xid: this.#lastXid, service: resolution.service }
  }

  /** Takes the question that an answer is for; undefined if nobody waits for it any longer. */
  take(xid: number): Resolution | undefined {
    const resolution = this.#byXid.get(xid)
    if (resolution !== undefined) this.#remove(resolution)
    return resolution
  }

  /** Takes the questions whose time is up. */
  takeExpired(nowMs: number): Resolution[] {
    return this.#takeWhere(resolution => resolution.deadlineAt <= nowMs)
  }

  takeAll(): Resolution[] {
    return this.#takeWhere(() => true)
  }

  /** The connection is gone: what was asked on it is to be asked again. */
  handleDisconnected(): void {
    this.#byXid.clear()
    for (const resolution of this.#byService.values()) resolution.xid = undefined
  }

  /** Those that are not asked on the present connection. */
  unasked(): Resolution[] {
    return [...this.#byService.values()].filter(resolution => resolution.xid === undefined)
  }

  nextDeadlineAt(): number {
    // In the order of asking, each with the same time allowed: the first one is the next.
    for (const resolution of this.#byService.values()) return resolution.deadlineAt
    return Number.POSITIVE_INFINITY
  }

  #takeWhere(matches: (resolution: Resolution) => boolean): Resolution[] {
    const taken = [...this.#byService.values()].filter(matches)
    for (const resolution of taken) this.#remove(resolution)
    return taken
  }

  #remove(resolution: Resolution): void {
    this.#byService.delete(resolution.service.prefix.toString())
    if (resolution.xid !== undefined) this.#byXid.delete(resolution.xid)
  }
}
