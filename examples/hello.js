// A server and a client of one service, in one program. Run: node examples/hello.js
import net from 'serval/net'

const server = net.createServer(socket => socket.end('hello from hello.example\n'))
server.listen('hello.example', () => {
  const client = net.connect('hello.example')
  client.on('connect', () => console.log(`connected to ${client.remoteAddress}:${client.remotePort}`))
  client.on('data', data => process.stdout.write(data))
  client.on('close', () => server.close())
})
