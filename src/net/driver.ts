/**
 * HOT: the shell's one loop around a core:
 *
 *   datagrams --> handleDatagram --+                       each as its link brings it, in the event loop's poll or check phase
 *   timer ------> handleTimeout ---+--> drain:
 *   wake() -------------------------+      pollEvent until none   -> the program's handlers
 *                                          pollTransmit until none -> links
 *                                          arm the timer at nextTimeoutAt
 *
 * When it drains decides what a round trip costs. The program hears of a turn's first datagram at once, and what it
 * answers leaves at once, as do control packets; if there are none, the others of the turn are handled first, and then all are
 * acknowledged together. What a program asks for by itself goes out as soon as the callback that asked has returned. Handlers' own
 * commands are served in the same drain. A drain that lasts too long goes on in the next turn, so that a busy flow never
 * keeps the program's other work waiting.
 *
 * A program that was busy, or stopped, for long finds its timers due and the answers they wait for unread. So timers that
 * are late wait for the end of a turn that began after it was noticed: by then what had come has been handled.
 *
 * Packets of many flows that leave in one drain between the same two addresses go as a train, with one call, where links
 * can do that: many requests on many connections cost their host little more than one, and the peer as well, to whom the
 * kernel hands them together. But a train is short (EVENTS_PER_SEND): of two hosts that hand each other all they have, one
 * always waits.
 */
import { packetsIn } from '../wire/encapsulation.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { TransmitBatch } from '../wire/transmit-batch.ts'
import { BusyPoll, type BusyPolling } from './busy-poll.ts'
import { DeadlineTimer, nowMs } from './clock.ts'
import type { Link, LinkEvents, PacketTap } from './links/link.ts'

/** What the cores of hosts and of routers have in common. */
export interface Core<E> {
  handleDatagram(buffer: Uint8Array, length: number, localId: number, remote: Endpoint, nowMs: number): void
  readonly nextTimeoutAt: number
  handleTimeout(nowMs: number): void
  pollEvent(): E | undefined
  pollTransmit(batch: TransmitBatch, nowMs: number): boolean
  /** More waits to be sent than acknowledgements, which can be late. */
  readonly isUrgent: boolean
  /** Nothing but control packets is to be sent from there while it is held: its link is full. */
  hold(localId: number, isHeld: boolean): void
}

/** A drain yields after this, one within a burst so long after its beginning. */
const BUDGET_MS = 5
/** The one at the end of a turn has what is left of this since the turn's first, or its first datagram; and at least so much. */
const TURN_MS = 8
const LEAST_MS = 2
/** After so many events what the program has answered to them leaves: the peer works on it while the program answers more. */
const EVENTS_PER_SEND = 8
/** Single packets that may go out between two looks at the clock. */
const STEPS_PER_LOOK = 8
/** Timers are late when nobody looked at them for longer than a turn may take. */
const LATE_MS = 10
/** A link takes in no more after this. */
const INTAKE_MS = 3
/** So much of a turn is acknowledged before the rest is received: the sender should not run dry. */
const BURST_BYTES = 256 << 10
const NEVER = Number.POSITIVE_INFINITY

export class Driver<E> implements LinkEvents {
  readonly #core: Core<E>
  readonly #onEvent: (event: E) => void
  readonly #onLinkError: (link: Link, code: string, remote: Endpoint | undefined) => void
  readonly #links = new Map<number, Link>()
  readonly #timer = new DeadlineTimer(() => this.#drain(nowMs()))
  readonly #busyPoll: BusyPoll
  readonly #onSettled: (() => void)[] = []
  #batch = new TransmitBatch()
  /** Single packets that wait for others to leave with, for as long as nothing but sending happens. */
  #train = new TransmitBatch()
  /** A drain of the next turn, or of this one's end. */
  #immediate: NodeJS.Immediate | undefined
  /** When this turn's work began; NEVER: it has not. And the bytes of the datagrams since the last drain. */
  #turnStartedAt = NEVER
  #burstBytes = 0
  /** A drain is due when the callback that runs has returned. */
  #isTicking = false
  /** The program has asked for something during this drain. */
  #isAsked = false
  /** Timers were found late: they have their turn when so many turns have ended, of which links may begin the first one late. */
  #turnsToWait = 0
  #isDraining = false
  #isClosed = false
  #isRef = true
  /** What could not be sent: `lostBatches` for links that had just been closed, `send:CODE` refused by the system. */
  readonly counters: Record<string, number> = {}
  /** Whoever looks on. */
  tap: PacketTap | undefined

  /**
   * `onEvent` may throw: the error surfaces as the program's own, and the loop goes on. `busyPolling`: how long the event
   * loop stays awake after a datagram.
   */
  constructor(
    core: Core<E>,
    onEvent: (event: E) => void,
    onLinkError: (link: Link, code: string, remote: Endpoint | undefined) => void = () => undefined,
    busyPolling: BusyPolling = 0,
  ) {
    this.#busyPoll = new BusyPoll(busyPolling)
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
    this.#isAsked = true
    if (this.#isTicking || this.#isDraining || this.#isClosed) return
    this.#isTicking = true
    process.nextTick(this.#tick)
  }

  /** Resolves when the program has heard of everything, and all that there was to send has been sent. */
  settled(): Promise<void> {
    this.wake()
    return new Promise(resolve => this.#onSettled.push(resolve))
  }

  /** Sends what can be sent at once, even from within a handler: the process is about to end. */
  flush(): void {
    while (this.#core.pollTransmit(this.#batch, nowMs())) this.#take()
    this.#depart()
  }

  /** Whether the process stays alive for what may come. */
  hold(isRef: boolean): void {
    if (isRef === this.#isRef) return
    this.#isRef = isRef
    this.#timer.hold(isRef)
    this.#busyPoll.hold(isRef)
    for (const link of this.#links.values()) link.hold(isRef)
  }

  close(): void {
    this.#isClosed = true
    this.#timer.disarm()
    this.#busyPoll.close()
    this.#links.clear()
  }

  onDatagram(link: Link, buffer: Uint8Array, length: number, remote: Endpoint): boolean | undefined {
    const now = nowMs()
    this.#busyPoll.handleDatagram(now, packetsIn(buffer, length), link)
    this.tap?.show(buffer, length, remote, link.endpoint)
    this.#core.handleDatagram(buffer, length, link.id, remote, now)
    this.#burstBytes += length
    if (this.#isDraining || this.#isClosed) return undefined
    if (this.#immediate === undefined) {
      this.#turnStartedAt = now
      this.#drain(now, true)
    } else if (this.#turnStartedAt === NEVER) this.#turnStartedAt = now
    const isEnough = now - this.#turnStartedAt >= INTAKE_MS
    if (!isEnough && this.#burstBytes >= BURST_BYTES) this.#drain(now, false, this.#turnStartedAt)
    return isEnough
  }

  onError(link: Link, code: string, remote?: Endpoint): void {
    this.#count(`send:${code}`)
    this.#onLinkError(link, code, remote)
  }

  onDrain(link: Link): void {
    this.#release(link)
  }

  readonly #tick = (): void => {
    this.#isTicking = false
    if (this.#isClosed) return
    const isBurst = this.#burstBytes >= BURST_BYTES / 16
    const isDone = this.#drain(nowMs())
    // Of a single exchange nothing is left for the end of the turn: the loop need not come round for it.
    if (!isDone || isBurst || this.#turnsToWait > 0 || this.#immediate === undefined) return
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    this.#turnStartedAt = NEVER
  }

  readonly #run = (): void => {
    this.#immediate = undefined
    const now = nowMs()
    const endAt = Math.max(this.#turnStartedAt + TURN_MS, now + LEAST_MS)
    if (this.#isClosed) return
    if (this.#turnsToWait > 0 && --this.#turnsToWait === 0) this.#core.handleTimeout(now)
    this.#drain(now, false, Math.min(now, endAt - BUDGET_MS))
    if (this.#turnsToWait > 0) this.#immediate ??= setImmediate(this.#run)
    this.#turnStartedAt = NEVER
  }

  /** Returns whether nothing is left. `maySendLater`: unless the program asks for something, what there is to send can wait for the end of the turn. */
  #drain(now: number, maySendLater = false, startedAt = now): boolean {
    let isDone = false
    this.#isDraining = true
    this.#isAsked = false
    if (!maySendLater) this.#burstBytes = 0
    try {
      this.#expire(now)
      isDone = this.#poll(now, maySendLater, startedAt + BUDGET_MS)
      this.#depart()
    } finally {
      // A handler's exception is on its way up: what is left is for the next turn.
      this.#isDraining = false
      if (isDone) this.#settle()
      else if (!this.#isClosed && this.#immediate === undefined) {
        this.#immediate = setImmediate(this.#run)
        this.#turnStartedAt = startedAt
      }
    }
    return isDone
  }

  #expire(now: number): void {
    const { nextTimeoutAt } = this.#core
    if (nextTimeoutAt > now || this.#turnsToWait > 0) return
    if (now - nextTimeoutAt <= LATE_MS) return this.#core.handleTimeout(now)
    this.#turnsToWait = 2
    this.#immediate ??= setImmediate(this.#run)
  }

  #settle(): void {
    if (!this.#isClosed) this.#timer.arm(this.#core.nextTimeoutAt)
    if (this.#onSettled.length > 0) for (const resolve of this.#onSettled.splice(0)) resolve()
  }

  /** Whether nothing is left to do. The clock costs as much as a small packet, so not every step looks at it. */
  #poll(now: number, maySendLater: boolean, endAt: number): boolean {
    const core = this.#core
    for (let step = 1, told = 0; ; step++) {
      const event = told < EVENTS_PER_SEND ? core.pollEvent() : undefined
      if (event !== undefined) {
        this.#tell(event)
        told++
      } else if (maySendLater && !this.#isAsked && !core.isUrgent) return false
      else if (core.pollTransmit(this.#batch, now)) {
        if (this.#take() && step % STEPS_PER_LOOK !== 0) continue
      } else if (told < EVENTS_PER_SEND) return true
      else told = 0
      now = nowMs()
      if (now >= endAt) return false
    }
  }

  /** Handlers may take their time: what has been said before is on its way then. */
  #tell(event: E): void {
    this.#depart()
    this.#onEvent(event)
  }

  /** Sends what the core has filled the batch with, or keeps it for the train. Returns whether it was a single packet. */
  #take(): boolean {
    const batch = this.#batch
    const isSingle = batch.packets === 1
    if (this.#train.append(batch)) return true
    this.#depart()
    if (isSingle && batch.mayGather) {
      this.#batch = this.#train
      this.#train = batch
    } else if (!this.#send(batch)) this.#batch = this.#newBatch()
    return isSingle
  }

  #depart(): void {
    const train = this.#train
    if (train.packets === 0) return
    const isDone = this.#send(train)
    train.packets = 0
    if (!isDone) this.#train = this.#newBatch()
  }

  /** False: the link still reads from the batch's buffer. */
  #send(batch: TransmitBatch): boolean {
    const link = this.#links.get(batch.localId)
    if (link === undefined) {
      this.#count('lostBatches')
      return true
    }
    if (this.tap !== undefined) {
      batch.flatten()
      this.tap.show(batch.buffer, batch.length, link.endpoint, batch.remote)
    }
    const isDone = link.send(batch)
    if (batch.headerBytes > 0) batch.forgetPieces()
    if (link.full) this.#core.hold(link.id, true)
    return isDone
  }

  #newBatch(): TransmitBatch {
    const batch = new TransmitBatch()
    batch.mayGather = this.#batch.mayGather
    return batch
  }

  #release(link: Link): void {
    this.#core.hold(link.id, false)
    this.wake()
  }

  /** The core fills the batch before it is known which link will carry it. */
  #allowGathering(): void {
    const mayGather = [...this.#links.values()].every(link => link.gathers)
    this.#batch.mayGather = this.#train.mayGather = mayGather
  }

  #count(counter: string): void {
    this.counters[counter] = (this.counters[counter] ?? 0) + 1
  }
}
