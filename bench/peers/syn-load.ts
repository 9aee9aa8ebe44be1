/**
 * Loads a router: syn-load ROUTER PORT SINK PORT SOURCES SECONDS. First it searches for the most that comes through with less
 * than 0.1 % lost, then it measures the time that packets take at half of that. Says `done` and the figures. At a line `hold`
 * on stdin it then offers nine tenths of the most for half of SECONDS, says `holding`, does so again, and says `held`; at any other it ends.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { withCProgram } from '../support/c-program.ts'
import { loadPacket } from '../support/router-load.ts'
import { say } from './say.ts'

const [router = '', port = '', sink = '', sinkPort = '', sources = '', seconds = ''] = process.argv.slice(2)

const MAX_LOSS = 0.001
const FIRST_RATE = 50_000
const LEAST_RATE = 1000
const GROWTH = 1.5
/** The search ends when it knows the most to this. */
const PRECISION = 0.04
const BURST = 16
const STEP_BACK = 0.93
const MAX_STEPS_BACK = 6
/** Of the time, one step of the search. */
const STEP_SHARE = 1 / 12

interface Figures {
  readonly sent: number
  readonly received: number
  /** The share of the time in which the program that offers had something to do: near 1 it is what limits. */
  readonly busy: number
  readonly kpps: number
  readonly p50us: number
  readonly p99us: number
  readonly pausems: number
}

await withCProgram('syn-load', async path => {
  const packet = Buffer.from(loadPacket()).toString('hex')
  const child = spawn(path, [router, port, sink, sinkPort, packet, sources], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  await lines.next()
  const offer = async (rate: number, forSeconds: number, burst: number): Promise<Figures> => {
    child.stdin.write(`${rate} ${forSeconds} ${burst}\n`)
    return JSON.parse((await lines.next()).value)
  }
  await measure(offer)
  child.stdin.end()
  process.stdin.destroy()
})

async function measure(
  offer: (rate: number, seconds: number, burst: number) => Promise<Figures>,
): Promise<void> {
  const time = Number(seconds)
  // So that code is compiled, for whole batches and for single packets, and a source that is new is known.
  await offer(FIRST_RATE, time / 8, BURST)
  await offer(FIRST_RATE, time / 8, 1)
  let most = await search(rate => offer(rate, time * STEP_SHARE, BURST))
  let whole = await offer(most, time / 6, BURST)
  // What a short step did not show.
  for (let again = 0; again < MAX_STEPS_BACK && lossOf(whole) >= MAX_LOSS; again++) {
    most *= STEP_BACK
    whole = await offer(most, time / 6, BURST)
  }
  const { p50us, p99us, busy: halfbusy } = await atRate(most / 2, burst => offer(most / 2, time / 6, burst))
  const figures = { kpps: whole.kpps, loss: lossOf(whole), loadbusy: whole.busy, p50us, p99us, halfbusy }
  say('done', figures)
  for await (const line of createInterface(process.stdin)) {
    if (line !== 'hold') return
    const hold = () => offer(0.9 * most, time / 2, BURST)
    const before = await hold()
    say('holding')
    const held = await hold()
    say('held', {
      lost: held.sent - held.received,
      pausems: held.pausems,
      lostbefore: before.sent - before.received,
      pausebefore: before.pausems,
    })
    return
  }
}

/** One packet at a time where this end can offer the rate like that; else in bursts, the shortest with which it can. */
async function atRate(rate: number, offer: (burst: number) => Promise<Figures>): Promise<Figures> {
  let figures = await offer(1)
  for (let burst = 4; burst <= BURST && 1000 * figures.kpps < 0.95 * rate; burst *= 4) {
    figures = await offer(burst)
  }
  return figures
}

/** Grows until too much is lost, twice in a row, and then halves what is not known yet. */
async function search(offer: (rate: number) => Promise<Figures>): Promise<number> {
  const isFine = async (rate: number) => {
    const figures = await offer(rate)
    return lossOf(figures) < MAX_LOSS && 1000 * figures.kpps > 0.95 * rate
  }
  let most = LEAST_RATE
  let tooMuch = Number.POSITIVE_INFINITY
  for (let rate = FIRST_RATE; tooMuch / most > 1 + PRECISION; ) {
    if ((await isFine(rate)) || (await isFine(rate))) most = rate
    else tooMuch = rate
    rate = tooMuch === Number.POSITIVE_INFINITY ? rate * GROWTH : Math.sqrt(most * tooMuch)
  }
  return most
}

/** Of what was offered, refused by this end's own kernel or not. */
function lossOf({ sent, received }: Figures): number {
  return 1 - received / sent
}
