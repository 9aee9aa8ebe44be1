/**
 * HOT: the shell's one loop around a core:
 *
 *   datagrams --> handleDatagram --+                       in the event loop's poll phase, each as it comes
 *   timer ------> handleTimeout ---+--> drain:
 *   wake() -------------------------+      pollEvent until none   -> the program's handlers
 *                                          pollTransmit until none -> links
 *                                          arm the timer at nextTimeoutAt
 *
 * When it drains decides what a round trip costs. A datagram that comes alone is answered at once; those of a burst are
 * handled first, all that the turn brings, and then acknowledged together. What a program asks for goes out as soon as
 * the callback that asked has returned. Handlers' own commands are served in the same drain. A drain that lasts too long
 * goes on in the next turn, so that a busy flow never keeps the program's other work waiting.
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
  /** Nothing but control packets is to be sent from there while it is held: its link is full. */
  hold(localId: number, isHeld: boolean): void
}

/** A drain yields after this. */
const BUDGET_MS = 5
/** Single packets that may go out between two looks at the clock. */
const STEPS_PER_LOOK = 8
/** What comes so soon after the last datagram was done with is of the same burst: no answer to ours is as quick. */
const BURST_GAP_MS = 0.02

export class Driver<E> implements LinkEvents {
  readonly #core: Core<E>
  readonly #onEvent: (event: E) => void
  readonly #onLinkError: (link: Link, code: string, remote: Endpoint | undefined) => void
  readonly #links = new Map<number, Link>()
  readonly #timer = new DeadlineTimer(() => this.#drain(nowMs()))
  readonly #onSettled: (() => void)[] = []
  #batch = new TransmitBatch()
  /** When the last datagram, and what it led to, was done with. */
  #lastInputAt = Number.NEGATIVE_INFINITY
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
    this.#allowGathering()
  }

  detach(link: Link): void {
    if (!this.#links.delete(link.id)) return
    this.#allowGathering()
    this.#release(link)
  }

  /** There may be something to send: call it after every command from outside of a handler. */
  wake(): void {
    if (this.#isScheduled || this.#isDraining || this.#isClosed) return
    this.#isScheduled = true
    process.nextTick(this.#run)
  }

  /** Resolves when the program has heard of everything, and all that there was to send has been sent. */
  settled(): Promise<void> {
    this.wake()
    return new Promise(resolve => this.#onSettled.push(resolve))
  }

  /** Sends what can be sent at once, even from within a handler: the process is about to end. */
  flush(): void {
    while (this.#core.pollTransmit(this.#batch, nowMs())) this.#send(this.#batch)
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
    const now = nowMs()
    const isAlone = now - this.#lastInputAt > BURST_GAP_MS && !this.#isScheduled && !this.#isDraining
    this.#core.handleDatagram(buffer, length, link.id, remote, now)
    if (isAlone && !this.#isClosed) {
      this.#drain(now)
      this.#lastInputAt = nowMs()
    } else {
      this.#lastInputAt = now
      this.#wakeNextTurn()
    }
  }

  onError(link: Link, code: string, remote?: Endpoint): void {
    this.#count(`send:${code}`)
    this.#onLinkError(link, code, remote)
  }

  onDrain(link: Link): void {
    this.#release(link)
  }

  readonly #run = (): void => {
    this.#isScheduled = false
    if (!this.#isClosed) this.#drain(nowMs())
  }

  #wakeNextTurn(): void {
    if (this.#isScheduled || this.#isDraining || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(this.#run)
  }

  #drain(startedAt: number): void {
    let isDone = false
    this.#isDraining = true
    try {
      if (this.#core.nextTimeoutAt <= startedAt) this.#core.handleTimeout(startedAt)
      isDone = this.#poll(startedAt)
    } finally {
      // A handler's exception is on its way up: what is left is for the next turn.
      this.#isDraining = false
      if (!isDone) this.#wakeNextTurn()
      else this.#settle()
    }
  }

  #settle(): void {
    if (!this.#isClosed) this.#timer.arm(this.#core.nextTimeoutAt)
    if (this.#onSettled.length > 0) for (const resolve of this.#onSettled.splice(0)) resolve()
  }

  /** Whether nothing is left to do. The clock costs as much as a small packet, so not every step looks at it. */
  #poll(startedAt: number): boolean {
    const core = this.#core
    let now = startedAt
    for (let step = 1; ; step++) {
      const event = core.pollEvent()
      if (event !== undefined) this.#onEvent(event)
      else if (!core.pollTransmit(this.#batch, now)) return true
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
    const isDone = link.send(batch)
    if (batch.headerBytes > 0) batch.forgetPieces()
    if (!isDone) {
      this.#batch = new TransmitBatch()
      this.#allowGathering()
    }
    if (link.full) this.#core.hold(link.id, true)
  }

  #release(link: Link): void {
    this.#core.hold(link.id, false)
    this.wake()
  }

  /** The core fills the batch before it is known which link will carry it. */
  #allowGathering(): void {
    this.#batch.mayGather = [...this.#links.values()].every(link => link.gathers)
  }

  #count(counter: string): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1
  }
}
