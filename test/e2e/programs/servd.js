// @ts-check
/**
 * Registers a service as the daemon of 2014 does, in datagrams to all hosts of its subnets: node servd.js SERVICE
 *
 * Lines on stdin: `register`, `unregister`. SERVICE is a raw serviceID.
 */
import { createInterface } from 'node:readline'
import dgram from 'serval/dgram'
import { say, sayError } from './say.js'

const [service = ''] = process.argv.slice(2)

/** @param {number} number As the test programs of 2014 number services. */
const serviceId = number => `x-${number.toString(16).padStart(8, '0').padEnd(64, '0')}`

const LENGTH = 48
const types = { register: 0, unregister: 1 }

const socket = dgram.createSocket()
socket.on('error', sayError)
socket.bind(serviceId(55_555), () => say('ready'))

createInterface({ input: process.stdin }).on('line', line => {
  const type = types[/** @type {keyof typeof types} */ (line)]
  const message = Buffer.alloc(LENGTH)
  message[0] = type
  message.writeUInt16BE(LENGTH, 2)
  message.write(service.slice(2), 16, 'hex')
  socket.send(message, serviceId(88_888), error => (error ? sayError(error) : say('sent', { line })))
})
