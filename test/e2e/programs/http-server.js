// @ts-check
/** Serves the first BYTES of the key stream over HTTP: node http-server.js NAME BYTES */
import { Readable } from 'node:stream'
import http from 'serval/http'
import { keystream } from './keystream.js'
import { say, sayError } from './say.js'

const [name = '', bytes] = process.argv.slice(2)

const server = http.createServer((_request, response) => {
  say('request')
  response.writeHead(200, { 'content-length': bytes })
  Readable.from(keystream(Number(bytes)), { objectMode: false, highWaterMark: 1 << 20 }).pipe(response)
  response.on('error', sayError)
  response.on('close', () => say('response', { isComplete: response.writableFinished }))
})

server.on('connection', socket => {
  say('connection')
  socket.on('error', sayError)
  socket.on('close', () => say('disconnection'))
})
server.on('error', sayError)
server.listen(name, () => say('ready'))
