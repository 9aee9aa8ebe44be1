/**
 * The shell's one loop around a core:
 *
 *   datagrams --> handleDatagram --+                       in the event loop's poll phase, each as it comes
 *   timer ------> handleTimeout ---+--> drain:             once a turn, after all of them
 *   wake() -------------------------+      pollEvent until none   -> the program's handlers
 *                                          pollTransmit until none -> links
 *                                          arm the timer at nextTimeoutAt
 *
 * Handlers' own commands are served in the same drain. A drain that lasts too long goes on in the next turn, so that a
 * busy flow never keeps the program's other work waiting.
 */
import type { Endpoint } from '../wire/endpoint.ts'
import { TransmitBatch } from '../wire/transmit-batch.ts'
import { DeadlineTimer, nowMs } from './clock.ts'
import type { Link, LinkEvents } from './links/link.ts'

/** What the cores of hosts and of routers have in common. */
export interface Core<E> {
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void
  readonly nextTimeoutAt: number
  handleTimeout(nowMs: number): void
  pollEvent(): E | undefined
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean
}

/** A drain yields after this. */
const BUDGET_MS = 5
/** Single packets that may go out between two looks at the clock. */
const STEPS_PER_LOOK = 8

export class Driver<E> implements LinkEvents {
  readonly #core: Core<E>
  readonly #onEvent: (event: E) => void
  readonly #onLinkError: (link: Link, code: string, remote: Endpoint | undefined) => void
  readonly #links = new Map<number, Link>()
  readonly #timer = new DeadlineTimer(() => this.#drain())
  readonly #onSettled: (() => void)[] = []
  #batch = new TransmitBatch()
  #full = 0
  #isScheduled = false
  #isDraining = false
  #isClosed = false
  #isRef = true
  /** What could not be sent: `lostBatches` for links that had just been closed, `send:CODE` refused by the system. */
  readonly counters: Record<string, number> = {}

  /** `onEvent` may throw: the error surfaces as the program's own, and the loop goes on. */
  constructor(
    core: Core<E>,
    onEvent: (event: E) => void,
    onLinkError: (link: Link, code: string, remote: Endpoint | undefined) => void = () => undefined,
  ) {
    this.#core = core
    this.#onEvent = onEvent
    this.#onLinkError = onLinkError
  }

  attach(link: Link): void {
    this.#links.set(link.id, link)
    link.hold(this.#isRef)
  }

  detach(link: Link): void {
    if (this.#links.delete(link.id)) this.#refresh()
  }

  /** There may be something to send: call it after every command from outside of a handler. */
  wake(): void {
    if (this.#isScheduled || this.#isDraining || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(this.#run)
  }

  /** Resolves when the program has heard of everything, and all that there was to send has been sent. */
  settled(): Promise<void> {
    this.wake()
    return new Promise(resolve => this.#onSettled.push(resolve))
  }

  /** Sends what can be sent at once, even from within a handler: the process is about to end. */
  flush(): void {
    while (this.#full === 0 && this.#core.pollTransmit(this.#batch, nowMs())) this.#send(this.#batch)
  }

  /** Whether the process stays alive for what may come. */
  hold(isRef: boolean): void {
    this.#isRef = isRef
    this.#timer.hold(isRef)
    for (const link of this.#links.values()) link.hold(isRef)
  }

  close(): void {
    this.#isClosed = true
    this.#timer.disarm()
    this.#links.clear()
  }

  onDatagram(link: Link, buffer: Uint8Array, length: number, remote: Endpoint): void {
    this.#core.handleDatagram(buffer, length, link.id, remote, nowMs())
    this.wake()
  }

  onError(link: Link, code: string, remote?: Endpoint): void {
    this.#count(`send:${code}`)
    this.#onLinkError(link, code, remote)
  }

  onDrain(_link: Link): void {
    this.#refresh()
  }

  readonly #run = (): void => {
    this.#isScheduled = false
    if (!this.#isClosed) this.#drain()
  }

  #drain(): void {
    const startedAt = nowMs()
    let isDone = false
    this.#isDraining = true
    try {
      if (this.#core.nextTimeoutAt <= startedAt) this.#core.handleTimeout(startedAt)
      isDone = this.#poll(startedAt)
    } finally {
      // A handler's exception is on its way up: what is left is for the next turn.
      this.#isDraining = false
      if (!isDone) this.wake()
      else this.#settle()
    }
  }

  #settle(): void {
    if (!this.#isClosed) this.#timer.arm(this.#core.nextTimeoutAt)
    for (const resolve of this.#onSettled.splice(0)) resolve()
  }

  /** Whether nothing is left to do. The clock costs as much as a small packet, so not every step looks at it. */
  #poll(startedAt: number): boolean {
    const core = this.#core
    let now = startedAt
    for (let step = 1; ; step++) {
      const event = core.pollEvent()
      if (event !== undefined) this.#onEvent(event)
      else if (this.#full > 0 || !core.pollTransmit(this.#batch, now)) return true
      else this.#send(this.#batch)
      if (event === undefined && this.#batch.packets === 1 && step % STEPS_PER_LOOK !== 0) continue
      now = nowMs()
      if (now - startedAt >= BUDGET_MS) return false
    }
  }

  #send(batch: TransmitBatch): void {
    const link = this.#links.get(batch.localId)
    if (link === undefined) {
      this.#count('lostBatches')
      return
    }
    if (!link.send(batch)) this.#batch = new TransmitBatch()
    if (link.full) this.#full++
  }

  /** Counts the full links anew. */
  #refresh(): void {
    this.#full = 0
    for (const link of this.#links.values()) if (link.full) this.#full++
    if (this.#full === 0) this.wake()
  }
  #count(counter: string): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1
  }
}
