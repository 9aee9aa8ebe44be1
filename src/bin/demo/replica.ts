/**
 * A replica of the demo's file server, a process of its own: GET /NAME gives a file, by HTTP Range a part of it. An
 * ordinary program over `serval/http`, but that it holds each download to a rate.
 */
import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import http from '../../sockets/http.ts'
import { toldToStop } from '../lifetime.ts'
import { fileFolder } from './files.ts'
import type { DemoFile, ReplicaCue, ReplicaReport } from './messages.ts'
import { Pace } from './pace.ts'

const stopped = toldToStop()
process.once('message', cue => serve(cue as ReplicaCue))

function serve({ service, name, directory, files, bytesPerSecond }: ReplicaCue): void {
  const server = http.createServer((request, response) => {
    const file = files.find(({ name }) => request.url === `/${name}`)
    response.setHeader('x-replica', name)
    if (file === undefined) return void response.writeHead(404).end()
    const from = rangeStart(request.headers.range, file)
    if (from === undefined)
      return void response.writeHead(416, { 'content-range': `bytes */${file.bytes}` }).end()
    response.writeHead(from === 0 ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': file.bytes - from,
      etag: `"${file.sha256}"`,
      ...(from > 0 && { 'content-range': `bytes ${from}-${file.bytes - 1}/${file.bytes}` }),
    })
    const content = createReadStream(join(fileFolder(directory), file.name), { start: from })
    // A client that leaves is no fault of ours, and it says what it thinks itself.
    pipeline(content, new Pace(bytesPerSecond), response).catch(() => response.destroy())
  })
  server.listen({ service }, () => process.send?.({ type: 'ready' } satisfies ReplicaReport))
  void stopped.then(reason => {
    server.close(() => {
      if (reason === 'parent gone') rmSync(directory, { recursive: true, force: true })
      process.exit()
    })
    server.closeAllConnections()
  })
}

/** Of `bytes=START-`, the only kind that the demo's clients ask for; 0 without one, undefined beyond the end. */
function rangeStart(range: string | undefined, { bytes }: DemoFile): number | undefined {
  if (range === undefined) return 0
  const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0)
  return from < bytes ? from : undefined
}
