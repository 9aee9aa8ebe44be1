/** Connections one after the other, each with one byte echoed: how many a second. The name is resolved already. */
import type { Benchmark, Row } from './support/benchmark.ts'
import { programRow } from './support/program-row.ts'

export const connect: Benchmark = {
  name: 'connect',
  about:
    'connect, one byte echoed, close, one after the other, three quarters of the time to warm up; connections a second',
  secondsPerRow: 6,
  rounds: 7,
  rows: [row('serval:plain', 'serval'), row('node:net', 'net'), row('node:tls', 'tls')],
}

function row(name: string, transport: 'serval' | 'net' | 'tls'): Row {
  const isPeer = transport !== 'serval'
  return programRow({
    name,
    isPeer,
    program: 'echo',
    server: [transport, 'server'],
    client: [transport, 'connect'],
  })
}
