/**
 * Bulk over a stream: bulk-stream TRANSPORT sink ADDRESS SECONDS VERIFIED-SHARE,
 * bulk-stream TRANSPORT source ADDRESS PORT SECONDS
 */

import { Meter } from '../support/meter.ts'
import { Turns } from '../support/turns.ts'
import { say } from './say.ts'
import { sentBlock } from './sent-block.ts'
import { loadTransport } from './transports.ts'

const [name, role, address = '', ...numbers] = process.argv.slice(2)
const transport = await loadTransport(name)

if (role === 'sink') await sink(Number(numbers[0]), Number(numbers[1]))
else source(Number(numbers[0]), Number(numbers[1]))

async function sink(seconds: number, verifiedShare: number): Promise<void> {
  const port = await transport.listen(address, socket => {
    const meter = new Meter(seconds, verifiedShare)
    socket.on('data', chunk => meter.take(chunk as Uint8Array, performance.now()))
    // Not at its end, which comes late where much is buffered and little gets through.
    socket.once('data', () => sayAfter(seconds, () => meter.figures))
  })
  say('ready', { port })
}

function source(port: number, seconds: number): void {
  const socket = transport.connect(address, port)
  socket.on('connect', () => {
    const endAt = performance.now() + 1000 * seconds
    sayAfter(seconds, () => ({}))
    let index = 0
    const send = () => {
      for (;;) {
        if (performance.now() >= endAt) return socket.end()
        if (!socket.write(sentBlock(index++))) return socket.once('drain', send)
      }
    }
    send()
  })
  socket.resume()
  socket.on('close', () => process.exit())
}

function sayAfter(seconds: number, figures: () => object): void {
  const turns = new Turns((1000 * seconds) / 3)
  setTimeout(() => say('done', { ...figures(), turnms: turns.longestMs }), 1000 * seconds)
}
