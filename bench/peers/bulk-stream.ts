/**
 * Bulk over a stream: bulk-stream TRANSPORT sink ADDRESS VERIFIED-SHARE, bulk-stream TRANSPORT source ADDRESS PORT
 *
 * The source obeys `send SECONDS`, which answers with all the bytes that it has sent so far.
 */
import { once } from 'node:events'
import { BLOCK_BYTES } from '../support/pattern.ts'
import { Turns } from '../support/turns.ts'
import { BulkSink } from './bulk-sink.ts'
import { obey } from './commands.ts'
import { say } from './say.ts'
import { sentBlock } from './sent-block.ts'
import { loadTransport } from './transports.ts'

const [name, role, address = '', number] = process.argv.slice(2)
const transport = await loadTransport(name)

if (role === 'sink') await serve(Number(number))
else await source(Number(number))

async function serve(verifiedShare: number): Promise<void> {
  const sink = new BulkSink(verifiedShare)
  const port = await transport.listen(address, socket => {
    socket.on('data', chunk => sink.take(chunk as Uint8Array))
  })
  say('ready', { port })
}

async function source(port: number): Promise<void> {
  const turns = new Turns()
  const socket = transport.connect(address, port)
  socket.resume()
  await once(socket, 'connect')
  let blocks = 0
  const sendUntil = (endAt: number, onEnd: () => void) => {
    const pump = () => {
      while (performance.now() < endAt) {
        if (socket.write(sentBlock(blocks++))) continue
        socket.once('drain', pump)
        return
      }
      onEnd()
    }
    pump()
    return () => socket.off('drain', pump)
  }
  const send = async (seconds: number) => {
    turns.begin()
    await new Promise<void>(resolve => {
      const stop = sendUntil(performance.now() + 1000 * seconds, resolve)
      // Where little gets through, what is buffered takes longer.
      setTimeout(() => resolve(void stop()), 1000 * seconds)
    })
    return { bytes: blocks * BLOCK_BYTES, turnms: turns.end() }
  }
  obey({ send })
}
