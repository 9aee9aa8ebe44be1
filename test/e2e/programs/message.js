// @ts-check
/**
 * Messages to a service and from one: node message.js serve|call NAME
 *
 * The end that serves gives back each message with `!` behind it. Lines on stdin, of the end that calls: `send TEXT` without a
 * flow; `connect`; `say TEXT` over the flow; `close`. Both say each `message` and whom it is from.
 */
import { createInterface } from 'node:readline'
import dgram from 'serval/dgram'
import { say, sayError } from './say.js'

const [role, name = ''] = process.argv.slice(2)

const socket = dgram.createSocket()
socket.on('error', sayError)
socket.on('close', () => say('closed'))
socket.on('message', (message, sender) => {
  say('message', { text: String(message), address: sender.address })
  if (role === 'serve') socket.send(`${message}!`, sender)
})

/** @type {Record<string, (argument: string) => void>} */
const commands = {
  send: text => void socket.send(text, name),
  connect: () => void socket.connect(name, () => say('connected')),
  say: text => void socket.send(text),
  close: () => void socket.close(),
}

createInterface({ input: process.stdin }).on('line', line => {
  const [command = '', ...rest] = line.split(' ')
  commands[command]?.(rest.join(' '))
})
if (role === 'serve') socket.bind(name, () => say('ready'))
else say('ready')
