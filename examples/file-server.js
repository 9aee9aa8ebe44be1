// Serves the files of a directory by HTTP, under a service name. Understands Range, so that a client can go on
// at another instance where the first one stopped: start as many as you like.
//
// Run: node examples/file-server.js DIRECTORY [SERVICE]      (default service: files.example)
// Then, in another terminal: node examples/file-client.js FILE
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { pipeline } from 'node:stream'
import http from 'serval/http'

const [directory, service = 'files.example'] = process.argv.slice(2)
if (directory === undefined) {
  console.error('usage: node file-server.js DIRECTORY [SERVICE]')
  process.exit(2)
}

const server = http.createServer(async (request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://files').pathname))
  const file = join(directory, path)
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) {
    response.writeHead(404).end(`there is no ${path}\n`)
    return
  }
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': found.size - start,
    'content-range': `bytes ${start}-${found.size - 1}/${found.size}`,
  })
  pipeline(createReadStream(file, { start }), response, () => {})
})

server.on('error', error => {
  console.error(error.message)
  process.exit(1)
})
server.listen(service, () => console.log(`serving ${directory} as ${service}`))
