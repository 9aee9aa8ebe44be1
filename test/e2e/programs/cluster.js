// @ts-check
/**
 * Two workers of a cluster that listen at the same place: node cluster.js node|serval PORT|NAME
 *
 * Says `worker` with what became of each: `listening`, or the code of its error.
 */
import cluster from 'node:cluster'
import nodeNet from 'node:net'
import servalNet from 'serval/net'
import { say } from './say.js'

const [module, place = ''] = process.argv.slice(2)
const isPort = /^\d+$/.test(place)

/** @param {string | undefined} outcome */
function tell(outcome) {
  process.send?.({ outcome })
}

function listen() {
  /** @type {import('node:net').Server} */
  const server = module === 'node' ? nodeNet.createServer() : servalNet.createServer()
  server.on('error', (/** @type {NodeJS.ErrnoException} */ error) => tell(error.code))
  server.listen(isPort ? Number(place) : place, () => tell('listening'))
}

if (cluster.isPrimary) {
  cluster.on('message', (_worker, { outcome }) => say('worker', { outcome }))
  for (let workers = 0; workers < 2; workers++) cluster.fork()
} else listen()
