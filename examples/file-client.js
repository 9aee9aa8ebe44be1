// Downloads a file by service name, and says its SHA-256. When the server that sends it dies, the download goes on at
// another instance of the service, from where it stopped. When this host's address changes, nothing at all happens.
//
// Run: node examples/file-client.js FILE [SERVICE] > copy      (default service: files.example)
import { createHash } from 'node:crypto'
import http from 'serval/http'

const [file, service = 'files.example'] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: node file-client.js FILE [SERVICE]')
  process.exit(2)
}

const ATTEMPTS = 10
const hash = createHash('sha256')
let received = 0
/** Another instance is tried only as long as this one has not failed for good. */
for (let attempt = 1; ; attempt++) {
  try {
    await download()
    break
  } catch (error) {
    console.error(
      `attempt ${attempt}: ${error instanceof Error ? error.message : error} (at byte ${received})`,
    )
    if (attempt === ATTEMPTS || (error instanceof Error && 'final' in error)) process.exit(1)
  }
}
console.error(`${received} bytes, SHA-256 ${hash.digest('hex')}`)

/** Gets what is still missing. */
function download() {
  return new Promise((resolve, fail) => {
    // What a failed attempt still holds back is asked for again by the next.
    let isOver = false
    const reject = (/** @type {Error} */ error) => {
      isOver = true
      fail(error)
    }
    const headers = received > 0 ? { range: `bytes=${received}-` } : {}
    const request = http.get(`http://${service}/${file}`, { headers }, response => {
      if (response.statusCode !== 200 && response.statusCode !== 206) {
        const error = new Error(`${service} answers ${response.statusCode} for ${file}`)
        reject(Object.assign(error, { final: true }))
        response.resume()
        return
      }
      response.on('data', chunk => {
        if (isOver) return
        received += chunk.length
        hash.update(chunk)
        if (process.stdout.write(chunk)) return
        response.pause()
        process.stdout.once('drain', () => response.resume())
      })
      response.on('end', resolve)
      response.on('error', reject)
    })
    request.on('error', reject)
  })
}
