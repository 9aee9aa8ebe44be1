/** The viewer's end of another process's packets: see `packet-watch.ts`. */
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import type { PacketsAnswer, PacketsRequest } from './packet-watch.ts'

export interface SeenRecords {
  /** The next part of a capture (wire/pcap.ts), records as a whole; the first one begins with its header. */
  readonly bytes: Uint8Array
  /** Packets that are missing before these. */
  readonly lost: number
}

/** A process that is busy for longer is not watched. */
const ANSWER_MS = 5000

/**
 * What passes at the process behind a status socket from now on. Ends with that process, or when `signal` does. Rejects if it
 * cannot be watched.
 */
export async function* watchPackets(path: string, signal: AbortSignal): AsyncGenerator<SeenRecords, void> {
  const connection = createConnection(path)
  let failure: Error | undefined
  connection.on('error', error => {
    failure = error
  })
  connection.setTimeout(ANSWER_MS, () => connection.destroy(new Error('it does not answer')))
  const stop = () => connection.destroy()
  signal.addEventListener('abort', stop)
  const request: PacketsRequest = { ask: 'packets' }
  connection.write(`${JSON.stringify(request)}\n`)
  let isWatched = false
  try {
    for await (const line of createInterface({ input: connection })) {
      isWatched = true
      connection.setTimeout(0)
      const { packets, lost }: PacketsAnswer = JSON.parse(line)
      yield { bytes: Buffer.from(packets, 'base64'), lost }
    }
  } finally {
    signal.removeEventListener('abort', stop)
    connection.destroy()
  }
  if (isWatched || signal.aborted) return
  throw failure ?? new Error('it has ended, or is too old to be watched')
}
