/**
 * What flows cost that do nothing, and what a busy one costs beside them.
 *
 *   bytes        growth of the resident set a flow, at the end where it is more; clientbytes, serverbytes: at each. As
 *                soon as all are open: what V8 has grown by for opening so many is in it
 *   idlebytes    the same when they have been idle for a while
 *   cpu          milliseconds of CPU time a second while all are idle, of both ends
 *   busyus       microseconds of CPU time of both ends for a request of 64 bytes on one flow and its reply
 *   descriptors  that a process has open, at the end where it is more
 */
import { type Ask, asking, cpuUsOf } from './support/ask.ts'
import { afresh, type Benchmark, type Row } from './support/benchmark.ts'
import { maxDescriptors } from './support/environment.ts'

/** Peers, which need a descriptor a flow, only as far as this system gives them. */
export function flowsBenchmark(count: number): Benchmark {
  const sizes = [count, 1]
  const peerSizes = sizes.filter(size => size + OTHER_DESCRIPTORS <= maxDescriptors())
  return {
    name: 'flows',
    about: `${count} idle flows: memory a flow, CPU time, descriptors; and a busy one beside them`,
    secondsPerRow: 2,
    rounds: 3,
    rows: [
      ...sizes.map(size => row(`serval@${size}`, 'serval', size)),
      ...peerSizes.map(size => row(`node:net@${size}`, 'net', size)),
    ],
    comparisons: [[`serval@${count}`, 'serval@1']],
  }
}

/** Of a row's time; V8 gives its young generation back when little has been allocated for five seconds. */
const IDLE_SHARE = 4
/** Opened before memory is counted: programs load and compile what they need on the way. */
const FIRST_FLOWS = 100
const OTHER_DESCRIPTORS = 100
/** From one address to one port of TCP, which has fewer than 28,232 ports for them (ip_local_port_range of Linux). */
const FLOWS_PER_PORT = 20_000

function row(name: string, transport: 'serval' | 'net', count: number): Row {
  return {
    name,
    isPeer: transport === 'net',
    open: afresh(async (place, seconds) => {
      const { right } = place.addresses
      const ports = transport === 'net' ? Math.ceil(count / FLOWS_PER_PORT) : 1
      const server = place.start('right', 'idle-flows', [transport, 'server', right, `${ports}`])
      const ready = await server.event('ready')
      const args = [transport, 'client', right, ready.ports.join(',')]
      const client = place.start('left', 'idle-flows', args, { SERVAL_ROUTER: `${right}:${ready.ports[0]}` })
      try {
        return await measureEnds([client, server].map(asking), count, seconds)
      } finally {
        await Promise.all([client.stop('SIGKILL'), server.stop('SIGKILL')])
      }
    }),
  }
}

/** The client first. */
async function measureEnds(ends: readonly Ask[], count: number, seconds: number) {
  const client = ends[0]!
  const memory = () => Promise.all(ends.map(ask => ask('memory')))

  const first = Math.min(FIRST_FLOWS, count)
  await client('open', first)
  await client('exchange', seconds / 2)
  const before = await memory()
  if (count > first) await client('open', count - first)
  const after = await memory()

  const idleMs = 1000 * IDLE_SHARE * seconds
  const idleFrom = await cpuUsOf(ends)
  await new Promise(resolve => setTimeout(resolve, idleMs))
  const idleTo = await cpuUsOf(ends)
  const idle = await memory()
  // What is measured is compiled by then, in the state in which so many flows have left it.
  await client('exchange', (3 * seconds) / 2)
  const busyFrom = await cpuUsOf(ends)
  const { exchanges } = await client('exchange', seconds / 2)
  const busyTo = await cpuUsOf(ends)

  const figures = {
    cpu: (idleTo - idleFrom) / idleMs,
    busyus: (busyTo - busyFrom) / exchanges,
    descriptors: Math.max(...after.map(({ descriptors }) => descriptors)),
  }
  if (count === first) return figures
  const growth = (then: typeof after) => {
    return then.map(({ rss }, end) => (rss - before[end]!.rss) / (count - first))
  }
  const [clientbytes = 0, serverbytes = 0] = growth(after)
  const idlebytes = Math.max(...growth(idle))
  return { bytes: Math.max(clientbytes, serverbytes), clientbytes, serverbytes, idlebytes, ...figures }
}
