/** How many packets the smallest exchange takes, between programs that wait with promises. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import net from '../../../src/sockets/net.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import type { TransmitBatch } from '../../../src/wire/transmit-batch.ts'
import { Stacks } from '../../support/net/stacks.ts'
import { summarize } from '../../support/simulator/describe-packet.ts'

/** Notes what it carries. */
class NotingNetwork extends MemoryNetwork {
  readonly carried: string[] = []

  override carry(batch: TransmitBatch, from: Endpoint): void {
    this.carried.push(`${from.address} ${summarize(batch.buffer.slice(0, batch.length))}`)
    super.carry(batch, from)
  }
}

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

// In real time: a process that is kept from its turn for longer than an acknowledgement may wait sends that by itself.
it('is eight: data goes with the third ACK, each FIN with the acknowledgement of what came before', {
  retry: 3,
}, async () => {
  const network = new NotingNetwork()
  const [server, client] = ['10.0.0.1', '10.0.0.2'].map(address =>
    stacks.open({ network: network.host(address) }),
  )
  const listening = net.createServer({ stack: server! }, socket => {
    socket.on('data', chunk => socket.write(chunk))
  })
  listening.listen('echo.example')
  await once(listening, 'listening')

  const socket = net.connect({ service: 'echo.example', stack: client! })
  await once(socket, 'connect')
  socket.write('?')
  await once(socket, 'data')
  socket.end()
  await once(socket, 'close')
  while (server!.flows().length > 0) await new Promise(resolve => setImmediate(resolve))

  expect(network.carried.slice(0, 8)).toEqual([
    '10.0.0.2 SYN',
    '10.0.0.1 SYN+ACK',
    '10.0.0.2 ACK service data 1',
    '10.0.0.1 data 1',
    '10.0.0.2 ACK+FIN end 1',
    '10.0.0.1 ACK+FIN end 1',
    '10.0.0.2 ACK',
    '10.0.0.1 ACK CLOSED',
  ])
  expect(network.carried).toHaveLength(8)
})
