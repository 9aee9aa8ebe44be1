/**
 * How long it takes to ask: `latency`, requests of 64 bytes on one flow, each sent when the reply to the last is there;
 * `connect`, connections one after the other, each with one exchange.
 */
import { once } from 'node:events'
import net, { type Socket } from '../../sockets/net.ts'
import { toldToStop } from '../lifetime.ts'
import { formatMs } from '../units.ts'
import { FrameParser, messageFrame } from './frames.ts'
import { Histogram } from './histogram.ts'
import type { RunningLines } from './running-lines.ts'
import { PERF_VERSION } from './transfer.ts'

export interface RoundTripsOptions {
  readonly mode: 'latency' | 'connect'
  readonly seconds: number
}

/** Of one second, or of all of them. */
interface RoundTrips {
  readonly fromSeconds: number
  readonly toSeconds: number
  readonly count: number
  readonly perSecond: number
  /** null where there were none. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
}

const REQUEST = Buffer.alloc(64, 'serval perf')

/** Returns what was found, as in perf-round-trips.schema.json. */
export async function measureRoundTrips(
  service: string,
  { mode, seconds }: RoundTripsOptions,
  lines: RunningLines,
) {
  const socket = mode === 'latency' ? await connectToEcho(service) : undefined
  const trip = socket === undefined ? () => connectOnce(service) : () => exchange(socket)
  const isOver = isOverAfter(seconds)
  const stopwatch = new Stopwatch()
  lines.print(TITLES)
  lines.run({ line: () => describe(stopwatch.endInterval()), now: () => describe(stopwatch.current) })
  try {
    while (!isOver()) {
      const startedAt = performance.now()
      await trip()
      stopwatch.add(performance.now() - startedAt)
    }
  } finally {
    lines.end()
    socket?.destroy()
  }
  const { fromSeconds: _, toSeconds, ...all } = stopwatch.total
  lines.print(`${mode} ${summary(all, toSeconds)}`)
  return { service, mode, seconds: toSeconds, ...all, intervals: stopwatch.intervals }
}

/** The time is over, or somebody has told us to stop. */
function isOverAfter(seconds: number): () => boolean {
  const endAt = performance.now() + 1000 * seconds
  let isStopped = false
  void toldToStop().then(() => {
    isStopped = true
  })
  return () => isStopped || performance.now() >= endAt
}

async function connectToEcho(service: string): Promise<Socket> {
  const socket = net.connect({ service, noDelay: true })
  await once(socket, 'connect')
  await new Promise<void>((resolve, reject) => {
    const parser = new FrameParser({ onBody: () => undefined, onMessage: () => resolve() })
    socket.on('data', chunk => parser.push(chunk))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the peer is not a `serval perf`')))
    socket.write(messageFrame({ type: 'echo', version: PERF_VERSION }))
  })
  socket.removeAllListeners('data')
  return socket
}

async function connectOnce(service: string): Promise<void> {
  const socket = await connectToEcho(service)
  const closed = once(socket, 'close')
  socket.resume()
  socket.end()
  await closed
}

/** Rejects where the flow fails or ends. */
function exchange(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = REQUEST.length
    const onData = (chunk: Buffer) => {
      left -= chunk.length
      if (left > 0) return
      socket.off('data', onData).off('error', reject).off('close', onClose)
      resolve()
    }
    const onClose = () => reject(new Error('the peer left before the end'))
    socket.on('data', onData).on('error', reject).on('close', onClose)
    socket.write(REQUEST)
  })
}

class Stopwatch {
  /** Second by second. */
  readonly intervals: RoundTrips[] = []
  readonly #startedAt = performance.now()
  readonly #all = new Histogram()
  #second = new Histogram()

  add(tripMs: number): void {
    this.#all.add(tripMs)
    this.#second.add(tripMs)
  }

  /** Since the last interval. */
  get current(): RoundTrips {
    return this.#view(this.#second, this.intervals.at(-1)?.toSeconds ?? 0)
  }

  get total(): RoundTrips {
    return this.#view(this.#all, 0)
  }

  endInterval(): RoundTrips {
    const interval = this.current
    this.intervals.push(interval)
    this.#second = new Histogram()
    return interval
  }

  #view(histogram: Histogram, fromSeconds: number): RoundTrips {
    const toSeconds = (performance.now() - this.#startedAt) / 1000
    return {
      fromSeconds,
      toSeconds,
      count: histogram.count,
      perSecond: histogram.count / (toSeconds - fromSeconds),
      p50Ms: histogram.quantile(0.5),
      p99Ms: histogram.quantile(0.99),
      maxMs: histogram.longestMs,
    }
  }
}

const TITLES = 'interval       round trips  a second     p50        p99        longest'

function describe({ fromSeconds, toSeconds, count, perSecond, p50Ms, p99Ms, maxMs }: RoundTrips): string {
  const cells = [
    `${fromSeconds.toFixed(1)}-${toSeconds.toFixed(1)} s`.padEnd(13),
    String(count).padEnd(11),
    perSecond.toFixed(0).padEnd(11),
    ...[p50Ms, p99Ms].map(ms => formatTime(ms).padEnd(9)),
    formatTime(maxMs),
  ]
  return cells.join('  ')
}

/** `5120 round trips in 10.0 s, 512 a second, p50 0.120 ms, p99 0.840 ms, longest 3.20 ms`. */
function summary(
  { count, perSecond, p50Ms, p99Ms, maxMs }: Omit<RoundTrips, 'fromSeconds' | 'toSeconds'>,
  seconds: number,
) {
  const facts = [
    `${count} round trips in ${seconds.toFixed(1)} s`,
    `${perSecond.toFixed(0)} a second`,
    `p50 ${formatTime(p50Ms)}`,
    `p99 ${formatTime(p99Ms)}`,
    `longest ${formatTime(maxMs)}`,
  ]
  return facts.join(', ')
}

function formatTime(ms: number | null): string {
  return ms === null ? '-' : formatMs(ms)
}
