/**
 * One worker of the router: a thread that forwards, on a core of its own, and never comes back to its event loop. Between
 * two batches it does what the main thread has told it, little by little while packets are waiting: a tenth of its
 * time at most, so that ten thousand new rules cost no packet.
 */
import { constants, getPriority } from 'node:os'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { isOnLink, type Local } from '../../flow/path.ts'
import { AllowList } from '../../router/allow-list.ts'
import { Router } from '../../router/router.ts'
import { ServiceTable } from '../../service/service-table.ts'
import { formatEndpoint } from '../../wire/endpoint.ts'
import { randomBytes } from '../random.ts'
import { type EntryCounts, entryCounts } from '../rule-status.ts'
import { Forwarder } from './forwarder.ts'
import { MessageCalls } from './message-calls.ts'
import { SeenPackets } from './seen-packets.ts'
import { LESS_NICE } from './thread-order.ts'
import { TwoTaps, WorkerCapture } from './worker-capture.ts'
import {
  applyChange,
  type Change,
  type FromWorker,
  type Prefix,
  type ToWorker,
  unpackPrefix,
  type WorkerStart,
} from './worker-messages.ts'

/** Of the time, where packets wait: the rest is theirs. */
const MESSAGE_SHARE = 0.1
/** So many packets have it compiled: until then those threads that compile are not to wait for it. */
const WARM_PACKETS = 1 << 16
/** It looks whether anything is amiss as often as this, should nobody ring. */
const MAX_WAIT_MS = 1000

const { port, posted, counters, bell, timeOrigin, routeSecret, tableSalt, allowed, capture } =
  workerData as WorkerStart

const clockOffsetMs = performance.timeOrigin - timeOrigin
const nowMs = () => performance.now() + clockOffsetMs
const locals = new Map<number, Pick<Local, 'endpoint' | 'prefixBits'>>()
let knownRouters: ReadonlySet<string> = new Set()

const router = new Router({
  randomBytes,
  routeSecret,
  table: new ServiceTable(tableSalt),
  allowed: AllowList.parse(allowed),
  isKnownRouter: remote => knownRouters.has(formatEndpoint(remote)),
  isNear: endpoint => [...locals.values()].some(local => isOnLink(local, endpoint)),
})
const calls = MessageCalls.load()!
const forwarder = new Forwarder(calls, router, bell, nowMs)
/** For whoever looks on. */
let seen: SeenPackets | undefined
const captured = capture === undefined ? undefined : new WorkerCapture(capture, () => timeOrigin + nowMs())
forwarder.tap = captured

/** Sockets that are not read before it begins. */
const waiting: Extract<ToWorker, { type: 'open' }>[] = []
let hasBegun = false
let taken = 0
/** While packets wait no message is taken before this. */
let nextMessageAt = 0
let hasEnded = false
let isFirst = false

const nice = getPriority()
calls.takeShortSlices(nice)
run()

function run(): void {
  let isMore = false
  for (;;) {
    const now = nowMs()
    takeMessages(isMore, now)
    if (router.nextTimeoutAt <= now) router.handleTimeout(now)
    forwarder.flush()
    for (let event = router.pollEvent(); event !== undefined; event = router.pollEvent()) {
      tell({ type: 'resolve', id: event.serviceId.toBytes() })
    }
    publishCounters()
    if (!isFirst && router.counters.packets > WARM_PACKETS) comeFirst()
    showSeen()
    if (hasEnded) return
    isMore = forwarder.turn(waitMs(isMore, now))
  }
}

function showSeen(): void {
  seen?.tell(tell)
  const why = captured?.write()
  if (why !== undefined) tell({ type: 'uncaptured', why })
}

/** Of the threads of this process, where this one may, and nobody has said how nice it is to be. */
function comeFirst(): void {
  isFirst = true
  if (nice === constants.priority.PRIORITY_NORMAL) calls.takeShortSlices(nice - LESS_NICE)
}

function waitMs(isMore: boolean, now: number): number {
  if (isMore || Atomics.load(posted, 0) !== taken) return 0
  return Math.ceil(Math.min(Math.max(0, router.nextTimeoutAt - now), MAX_WAIT_MS))
}

function takeMessages(isBusy: boolean, now: number): void {
  if (Atomics.load(posted, 0) === taken || (isBusy && now < nextMessageAt)) return
  const received = receiveMessageOnPort(port)
  // It is counted once it has been posted, so this does not happen.
  if (received === undefined) return
  taken++
  handle(received.message as ToWorker)
  const spentMs = nowMs() - now
  nextMessageAt = now + spentMs / MESSAGE_SHARE
}

function handle(message: ToWorker): void {
  switch (message.type) {
    case 'open':
      locals.set(message.id, message)
      if (hasBegun) forwarder.addSocket(message.id, message.fd, message.endpoint)
      else waiting.push(message)
      return
    case 'adopt':
      return router.adoptRouteSecret(message.routeSecret, message.aheadMs)
    case 'begin':
      hasBegun = true
      for (const { id, fd, endpoint } of waiting.splice(0)) forwarder.addSocket(id, fd, endpoint)
      return
    case 'close':
      forwarder.removeSocket(message.id)
      locals.delete(message.id)
      return
    case 'rules':
      for (const change of message.changes) make(change)
      return
    case 'refuse':
      return router.refuseDelayed(unpackPrefix(message.under), nowMs())
    case 'count':
      return tell({ type: 'counted', question: message.question, counts: message.prefixes.map(countsOf) })
    case 'routers':
      knownRouters = new Set(message.endpoints)
      return
    case 'watch':
      seen = message.isWatched ? new SeenPackets(nowMs) : undefined
      forwarder.tap =
        seen === undefined || captured === undefined ? (seen ?? captured) : new TwoTaps(seen, captured)
      return
    case 'end':
      publishCounters()
      hasEnded = true
  }
}

function make(change: Change): void {
  if (change.verb !== 'release') return applyChange(router.table, change)
  router.releaseDelayed(unpackPrefix(change.under), nowMs())
}

function countsOf(prefix: Prefix): EntryCounts | undefined {
  const entry = router.table.find(unpackPrefix(prefix))
  return entry && entryCounts(entry, nowMs())
}

function tell(message: FromWorker): void {
  port.postMessage(message)
}

function publishCounters(): void {
  let i = 0
  for (const name in router.counters) counters[i++] = router.counters[name as keyof typeof router.counters]
  counters[i++] = forwarder.counters.linkFull
  counters[i] = forwarder.counters.sendErrors
}
