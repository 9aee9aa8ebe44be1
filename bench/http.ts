/** node:http with one handler over active sockets and over TCP, 50 connections kept alive: requests a second. */
import type { Benchmark, Row } from './support/benchmark.ts'
import { programRow } from './support/program-row.ts'

export const http: Benchmark = {
  name: 'http',
  about: 'node:http, 50 connections kept alive, replies of 1 KiB; requests a second',
  secondsPerRow: 1,
  warmUpSeconds: 5,
  rounds: 15,
  rows: [row('serval:plain', 'serval'), row('node:http', 'net')],
}

function row(name: string, transport: 'serval' | 'net'): Row {
  return programRow({
    name,
    isPeer: transport === 'net',
    program: 'http-load',
    server: [transport, 'server'],
    client: [transport, 'client'],
  })
}
