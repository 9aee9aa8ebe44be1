// Talks in the room of chat-server.js. Each line of input is said; /move ADDRESS takes the conversation to another
// address of this host, and nobody notices; /quit leaves.
//
// Run: node examples/chat-client.js NAME [SERVICE]      (default service: chat.example)
// Try: /move 127.0.0.2, where the client was started with SERVAL_BIND=127.0.0.1,127.0.0.2
import { createInterface } from 'node:readline'
import net from 'serval/net'

const [name, service = 'chat.example'] = process.argv.slice(2)
if (name === undefined) {
  console.error('usage: node chat-client.js NAME [SERVICE]')
  process.exit(2)
}

const socket = net.connect(service)
socket.setEncoding('utf8')
socket.on('connect', () => console.log(`connected, from ${socket.localAddress}`))
socket.on('data', text => process.stdout.write(text))
socket.on('error', error => console.error(error.message))
socket.on('close', () => input.close())

const input = createInterface({ input: process.stdin })
input.on('line', async line => {
  const [command, address = ''] = line.split(' ')
  if (command === '/quit') socket.end()
  else if (command === '/move') await move(address)
  else socket.write(`${name}: ${line}\n`)
})
input.on('close', () => socket.end())

/** @param {string} address */
async function move(address) {
  try {
    await socket.migrate({ address })
    console.log(`moved, now at ${socket.localAddress}`)
  } catch (error) {
    console.log(error instanceof Error ? error.message : error)
  }
}
