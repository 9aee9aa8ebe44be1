/**
 * The stall of a running download when the address that it uses is deleted: milliseconds from the last byte before to the
 * first after. The peer finds its connection dead and makes a new one, which, over kernel TCP, somebody has to tell it: here
 * it is told at the very moment, which no program in the field is. Rows `@20ms` are behind a cable of that round trip.
 */
import { afresh, type Benchmark, type Row } from './support/benchmark.ts'

export const migrate: Benchmark = {
  name: 'migrate',
  about: 'a running download loses its address and goes on from another; stall in ms',
  secondsPerRow: 1,
  rounds: 7,
  rows: [undefined, 20, 100].flatMap(rttMs => [
    row('serval', 'serval', rttMs),
    row('node:net', 'net', rttMs),
  ]),
}

/** Of the long cables, which have a queue of one round trip. */
const BITS_PER_SECOND = 200e6

function row(name: string, transport: 'serval' | 'net', rttMs?: number): Row {
  return {
    name: rttMs === undefined ? name : `${name}@${rttMs}ms`,
    isPeer: transport === 'net',
    needsNamespaces: true,
    open: afresh(async standard => {
      const place = rttMs === undefined ? standard : await standard.impaired(cable(rttMs))
      const { left, right } = place.addresses
      const server = place.start('right', 'stall', [transport, 'server', right])
      const { port } = await server.event('ready')
      const env = { SERVAL_ROUTER: `${right}:${port}` }
      const client = place.start('left', 'stall', [transport, 'client', right, `${port}`], env)
      const { local } = await client.event('flowing')
      place.deleteAddress(local)
      try {
        client.say('gone')
        const { stallms } = await client.event('resumed')
        return { stallms }
      } finally {
        await Promise.all([client.stop('SIGKILL'), server.stop('SIGKILL')])
        place.addAddress(left.find(address => address === local) ?? left[0])
      }
    }),
  }
}

function cable(rttMs: number) {
  const queueBytes = ((BITS_PER_SECOND / 8) * rttMs) / 1000
  return { delayMs: rttMs / 2, loss: 0, bitsPerSecond: BITS_PER_SECOND, queueBytes }
}
