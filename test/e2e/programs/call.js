// @ts-check
/**
 * Connects to a service whenever a line comes on stdin, and stays connected: node call.js NAME
 *
 * Says `connected` and who greeted, or `error`, with how long it took; `closed` when the connection ends.
 */
import { createInterface } from 'node:readline'
import net from 'serval/net'
import { say } from './say.js'

const [name = ''] = process.argv.slice(2)

createInterface({ input: process.stdin }).on('line', call => {
  const startedAt = performance.now()
  const socket = net.connect(name)
  const tookMs = () => Math.round((performance.now() - startedAt) * 10) / 10
  socket.once('data', greeting => {
    const { localAddress: local, remoteAddress: remote } = socket
    say('connected', { call, ms: tookMs(), greeting: greeting.toString().trim(), local, remote })
  })
  socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    say('error', { call, ms: tookMs(), code: error.code, message: error.message })
  })
  socket.on('close', () => say('closed', { call }))
})
say('ready')
