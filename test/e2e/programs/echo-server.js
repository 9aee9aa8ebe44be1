// @ts-check
/** Greets with WHO and gives back what it is sent; `ready` says where it listens: node echo-server.js NAME WHO */
import net from 'serval/net'
import { say, sayError } from './say.js'

const [name = '', who] = process.argv.slice(2)

const server = net.createServer(socket => {
  say('connection', { remote: socket.remoteAddress })
  socket.on('error', sayError)
  socket.write(`${who}\n`)
  socket.pipe(socket)
})
server.on('error', sayError)
server.listen(name, () => say('ready', { ...server.address() }))
