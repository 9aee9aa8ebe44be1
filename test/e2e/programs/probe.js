// @ts-check
/**
 * Tries the way from an address to another over the kernel's own TCP: node probe.js FROM TO. Nobody listens there, so a
 * refusal is the proof that packets go both ways. With --wait it only says who it is, and stays.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { say } from './say.js'

const [from, to] = process.argv.slice(2)

if (from === '--wait') {
  const [, capabilities] = /^CapEff:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  say('ready', { uid: process.getuid?.(), capabilities })
  setInterval(() => undefined, 60_000)
} else {
  const socket = connect({ host: to ?? '', port: 9, localAddress: from })
  socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => say('answer', { code: error.code }))
}
