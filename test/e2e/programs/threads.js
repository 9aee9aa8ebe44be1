// @ts-check
/**
 * threads.js HOW: threads with a stack end in the midst of a transfer: `terminated`, `exit` or `fail`, five of them, each told
 * by its exit code; then the main thread's own stack is tried. `end`: the main thread ends while a thread still floods it.
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import net from 'serval/net'

const how = isMainThread ? process.argv[2] : workerData.how
if (how === 'end') await (isMainThread ? endUnderFlood() : flood())
else if (isMainThread) await outliveThreads()
else {
  await chatter(`thread${workerData.number}.example`)
  if (how === 'terminated') parentPort?.postMessage('busy')
  else if (how === 'exit') process.exit(3)
  else
    setImmediate(() => {
      throw new Error('as it was to')
    })
}

async function outliveThreads() {
  for (let number = 0; number < 5; number++) {
    const worker = start({ how, number })
    worker.on('error', () => undefined).on('message', () => worker.terminate())
    console.log(await new Promise(resolve => worker.on('exit', resolve)))
  }
  await chatter('main.example')
  console.log('goes on')
  process.exit()
}

/**
 * Returns when much has been echoed, and goes on.
 * @param {string} name
 */
async function chatter(name) {
  const server = net.createServer(socket => socket.on('error', () => undefined).pipe(socket)).listen(name)
  await once(server, 'listening')
  const socket = net.connect(name).on('error', () => undefined)
  for (let i = 0; i < 20; i++) socket.write(Buffer.alloc(1000))
  let bytes = 0
  await /** @type {Promise<void>} */ (
    new Promise(resolve => {
      socket.on('data', chunk => {
        socket.write(chunk)
        bytes += chunk.length
        if (bytes > 200_000) resolve()
      })
    })
  )
}

async function endUnderFlood() {
  const worker = start({ how })
  await once(worker, 'message')
  worker.unref()
  const socket = net.connect('flood.example')
  let chunks = 0
  socket.on('data', () => {
    if (++chunks === 10) socket.unref()
  })
  process.on('exit', () => console.log('ends'))
}

async function flood() {
  const server = net.createServer(socket => {
    const more = () => {
      while (socket.write(Buffer.alloc(1000)));
    }
    socket.on('error', () => undefined).on('drain', more)
    more()
  })
  await once(server.listen('flood.example'), 'listening')
  parentPort?.postMessage('ready')
}

/** @param {object} data */
function start(data) {
  return new Worker(new URL(import.meta.url), { workerData: data })
}
