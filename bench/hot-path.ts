/**
 * What a running transfer costs beside time: bytes of JavaScript heap allocated for each packet, by the function that
 * allocates them, and how long the event loop is kept from everything else. Both ends in this process, over UDP on
 * loopback; SERVAL_OFFLOAD=0 for plain dgram.
 *
 *     SERVAL_RUNTIME_DIR=$(mktemp -d) SERVAL_BIND=127.0.0.1 node dist/bench/hot-path.js [SECONDS]
 */
import { once } from 'node:events'
import { type HeapProfiler, Session } from 'node:inspector'
import { basename } from 'node:path'
import net from 'serval/net'
import { quantile } from './support/statistics.ts'

const WARM_UP_MS = 1500
const SAMPLE_BYTES = 4096
const BLOCK_BYTES = 65_536
const ROWS = 14

const seconds = Number(process.argv[2] ?? 4)
let received = 0
const server = net.createServer(socket => {
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
})
server.listen('hot-path.example')
await once(server, 'listening')
const client = net.connect('hot-path.example')
await once(client, 'connect')
pour()
await wait(WARM_UP_MS)

const session = new Session()
session.connect()
session.post('HeapProfiler.startSampling', {
  samplingInterval: SAMPLE_BYTES,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
} as HeapProfiler.StartSamplingParameterType)
const before = received
const turnsMs = await watchTurns(1000 * seconds)
const bytes = received - before
session.post('HeapProfiler.stopSampling', (error, result) => {
  if (error) throw error
  report(result.profile, bytes)
  process.exit()
})

/** Writes for as long as the process lives. */
function pour(): void {
  const block = Buffer.alloc(BLOCK_BYTES, 7)
  while (client.write(block));
  client.once('drain', pour)
}

/**
 * The length of each turn of the event loop, in CPU time of this process, which other programs of the machine do not
 * stretch: other work waits no longer than the longest.
 */
function watchTurns(forMs: number): Promise<number[]> {
  const turns: number[] = []
  const endAt = performance.now() + forMs
  return new Promise(resolve => {
    let last = process.cpuUsage()
    const look = () => {
      const { user, system } = process.cpuUsage(last)
      last = process.cpuUsage()
      turns.push((user + system) / 1000)
      if (performance.now() < endAt) setImmediate(look)
      else resolve(turns)
    }
    setImmediate(look)
  })
}

function report({ head }: HeapProfiler.SamplingHeapProfile, transferred: number): void {
  const packetBytes = client.flow?.paths[0]?.mtu ?? 1500
  const packets = transferred / packetBytes
  const byFunction = new Map<string, number>()
  const add = (node: HeapProfiler.SamplingHeapProfileNode) => {
    const { url, functionName, lineNumber } = node.callFrame
    const name = `${functionName || '(anonymous)'} ${basename(url)}:${lineNumber + 1}`
    byFunction.set(name, (byFunction.get(name) ?? 0) + node.selfSize)
    for (const child of node.children) add(child)
  }
  add(head)
  const rows = [...byFunction].sort(([, a], [, b]) => b - a)
  const all = rows.reduce((sum, [, size]) => sum + size, 0)
  process.stdout.write(
    `${(transferred / 1e6).toFixed(0)} MB in packets of ${packetBytes}: ${Math.round(packets)}\n` +
      `turns of the event loop, ms of CPU time: p50 ${quantile(turnsMs, 0.5).toFixed(2)}, p99 ${quantile(turnsMs, 0.99).toFixed(2)}, ` +
      `longest ${Math.max(...turnsMs).toFixed(2)}, of ${turnsMs.length}\n` +
      `heap allocated for each packet: ${(all / packets).toFixed(1)} bytes\n`,
  )
  for (const [name, size] of rows.slice(0, ROWS)) {
    process.stdout.write(`${(size / packets).toFixed(1).padStart(8)}  ${name}\n`)
  }
}

function wait(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
