/**
 * The stall of a running download when the address that it uses is deleted: milliseconds from the last byte before to the
 * first after. The peer finds its connection dead and makes a new one, which, over kernel TCP, somebody has to tell it: here
 * it is told at the very moment, which no program in the field is.
 */
import type { Benchmark, Row } from './support/benchmark.ts'

export const migrate: Benchmark = {
  name: 'migrate',
  about: 'a running download loses its address and goes on from another; stall in ms',
  secondsPerRow: 1,
  rounds: 7,
  rows: [row('serval', 'serval'), row('node:net', 'net')],
}

function row(name: string, transport: 'serval' | 'net'): Row {
  return {
    name,
    isPeer: transport === 'net',
    measure: async place => {
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
    },
  }
}
