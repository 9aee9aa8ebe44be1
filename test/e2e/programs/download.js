// @ts-check
/**
 * Downloads and hashes what a service has to give over HTTP: node download.js NAME
 *
 * Says `progress` every 32 MiB, `idle` each second in which no data has come, `move` whenever the flow goes on from another
 * address, and at the end `done` with the hash and all gaps of more than 20 ms.
 */
import { createHash } from 'node:crypto'
import http from 'serval/http'
import { say, sayError } from './say.js'

const [name = ''] = process.argv.slice(2)
const REPORT_BYTES = 32 * 1024 * 1024
const GAP_MS = 20

const request = http.get(`http://${name}/`, { agent: false }, response => {
  const hash = createHash('sha256')
  /** @type {{ atBytes: number, ms: number }[]} */
  const gaps = []
  let bytes = 0
  let lastAt = performance.now()
  const idle = setInterval(() => {
    const ms = performance.now() - lastAt
    if (ms >= 1000) say('idle', { ms })
  }, 500)
  response.on('data', chunk => {
    const now = performance.now()
    if (now - lastAt > GAP_MS) gaps.push({ atBytes: bytes, ms: Math.round(now - lastAt) })
    hash.update(chunk)
    const before = bytes
    bytes += chunk.length
    if (Math.floor(bytes / REPORT_BYTES) > Math.floor(before / REPORT_BYTES)) say('progress', { bytes })
    lastAt = performance.now()
  })
  response.on('error', sayError)
  response.on('end', () => {
    clearInterval(idle)
    say('done', { bytes, sha256: hash.digest('hex'), gaps, isComplete: response.complete })
  })
})

request.on('error', sayError)
request.on('socket', socket => {
  const sayPath = (/** @type {string} */ event) =>
    say(event, { local: socket.localAddress, remote: socket.remoteAddress })
  if (socket.connecting) socket.once('connect', () => sayPath('connection'))
  else sayPath('connection')
  socket.on('migrate', () => sayPath('move'))
  socket.on('close', () => say('disconnection'))
})
