// @ts-check
/**
 * One end of connections, that does what lines on its stdin say: node line.js serve|call NAME
 *
 *   call               connects (the end that calls)
 *   write TEXT, end, reset, destroy, move ADDRESS    of the latest connection
 *
 * Says `connected`, `read` with all that has come so far, `ended`, `moved`, `error`, `closed`.
 */
import { createInterface } from 'node:readline'
import net from 'serval/net'
import { say, sayError } from './say.js'

const AGAIN_MS = 50
const [role, name = ''] = process.argv.slice(2)

/** @type {import('serval/net').Socket} */
let socket

/** @param {import('serval/net').Socket} opened */
function follow(opened) {
  socket = opened
  let text = ''
  const { localAddress: local, remoteAddress: remote } = socket
  say('connected', { local, remote })
  socket.setEncoding('utf8').on('data', chunk => {
    text += chunk
    say('read', { text })
  })
  socket.on('end', () => say('ended'))
  socket.on('close', (/** @type {boolean} */ hadError) => say('closed', { hadError }))
  if (role === 'serve') socket.on('error', sayError)
}

/** @type {Record<string, (argument: string) => void>} */
const commands = {
  call() {
    const opening = net.connect({ service: name, allowHalfOpen: true })
    opening.on('error', sayError)
    opening.on('connect', () => follow(opening))
  },
  write: text => void socket.write(text),
  end: () => void socket.end(),
  reset: () => void socket.resetAndDestroy(),
  destroy: () => void socket.destroy(),
  move: address => void move(address),
}

/** A stack learns of a new address a moment after the system. @param {string} address */
async function move(address) {
  try {
    await socket.migrate({ address })
    say('moved', { local: socket.localAddress })
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EADDRNOTAVAIL') throw error
    setTimeout(move, AGAIN_MS, address)
  }
}

createInterface({ input: process.stdin }).on('line', line => {
  const [command = '', ...rest] = line.split(' ')
  commands[command]?.(rest.join(' '))
})
if (role === 'serve') {
  const server = net.createServer({ allowHalfOpen: true }, follow)
  server.on('error', sayError)
  server.listen(name, () => say('ready'))
} else say('ready')
