/**
 * A download whose address is deleted: stall TRANSPORT server ADDRESS, stall TRANSPORT client ADDRESS PORT
 *
 * The client says `flowing` and from which address, takes a line on stdin for the news that it is gone, and says `resumed`
 * when bytes come by another. Over kernel TCP it connects anew on the news; the stack notices by itself.
 */
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { blockAt } from '../support/pattern.ts'
import { say } from './say.ts'
import { loadTransport } from './transports.ts'

const FLOWING_BYTES = 8 * 1024 * 1024

const [name, role, address = '', port] = process.argv.slice(2)
const transport = await loadTransport(name)

if (role === 'server') await serve()
else download()

async function serve(): Promise<void> {
  const onConnection = (socket: Socket) => {
    let index = 0
    const send = () => {
      while (!socket.destroyed && socket.write(blockAt(index++)));
    }
    socket.on('drain', send)
    socket.on('error', () => undefined)
    send()
  }
  say('ready', { port: await transport.listen(address, onConnection) })
}

function download(): void {
  let socket = transport.connect(address, Number(port))
  const first = { bytes: 0, local: '' as string | undefined }
  let lastAt = performance.now()
  const onData = (chunk: Buffer) => {
    const now = performance.now()
    const before = first.bytes
    first.bytes += chunk.length
    if (before < FLOWING_BYTES && first.bytes >= FLOWING_BYTES) {
      first.local = socket.localAddress
      say('flowing', { local: first.local })
    }
    if (first.local !== '' && socket.localAddress !== first.local) {
      say('resumed', { stallms: now - lastAt })
      first.local = ''
    }
    lastAt = now
  }
  socket.on('data', onData)
  if (name !== 'net') return
  createInterface({ input: process.stdin }).on('line', () => {
    socket.destroy()
    socket = transport.connect(address, Number(port))
    socket.on('data', onData)
  })
}
