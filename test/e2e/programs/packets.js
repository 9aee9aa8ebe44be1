// @ts-check
/**
 * One packet again and again, and where it arrives, each in a process:
 *
 *   node packets.js take ADDRESS PORT HOST REPORTS              tells port REPORTS of HOST of each
 *   node packets.js send ADDRESS PORT HOST REPORTS PACKET       PACKET in hex, from several ports of HOST
 *
 * No more are under way than a socket holds, so that none is lost but by what lies between. Says `ready`; who sends also
 * `came` at every 500th that did, and after a line on stdin `stopped` with how many were `sent` and `lost`.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { say } from './say.js'

const SOURCES = 8
const WINDOW = 64
const STEP = 500
/** For so long nothing has come: what has not is lost. */
const PATIENCE_MS = 5000

const [role, address = '', port = '', host = '', reports = '', packet = ''] = process.argv.slice(2)

if (role === 'take') await take()
else await send()

async function take() {
  const socket = createSocket('udp4')
  socket.on('message', () => socket.send('', Number(reports), host))
  socket.bind(Number(port), address)
  await once(socket, 'listening')
  say('ready')
}

async function send() {
  const sources = Array.from({ length: SOURCES }, () => createSocket('udp4'))
  for (const source of sources) source.bind(0, host)
  const reporter = createSocket('udp4').bind(Number(reports), host)
  const bytes = Buffer.from(packet, 'hex')
  let sent = 0
  let came = 0
  let isStopped = false
  /** @type {NodeJS.Timeout | undefined} */
  let patience

  const stop = () => {
    say('stopped', { sent, lost: sent - came })
    process.exit()
  }
  const goOn = () => {
    while (!isStopped && sent - came < WINDOW) {
      sources[sent % SOURCES]?.send(bytes, Number(port), address)
      sent++
    }
    if (!isStopped) return
    if (came === sent) stop()
    clearTimeout(patience)
    patience = setTimeout(stop, PATIENCE_MS)
  }
  reporter.on('message', () => {
    if (++came % STEP === 0) say('came', { came })
    goOn()
  })
  process.stdin.once('data', () => {
    isStopped = true
    goOn()
  })
  await Promise.all([reporter, ...sources].map(socket => once(socket, 'listening')))
  say('ready')
  goOn()
}
