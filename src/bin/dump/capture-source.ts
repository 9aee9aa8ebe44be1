/** Where the bytes of a capture come from: a file, a file that grows, or standard input as it comes. */
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { UsageError } from '../failure.ts'

const CHUNK_BYTES = 1 << 18
/** Processes write their captures ten times a second. */
const LOOK_MS = 100

/** `-`: standard input. Ends with the file or, where `follow` says so, when `signal` does. Throws a UsageError. */
export async function* captureBytes(
  path: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  try {
    if (path === '-') yield* standardInput(signal)
    else yield* fileBytes(path, follow, signal)
  } catch (error) {
    if (signal.aborted || error instanceof UsageError) return
    throw new UsageError(`${nameOfCapture(path)} cannot be read: ${(error as Error).message}`)
  }
}

export function nameOfCapture(path: string): string {
  return path === '-' ? 'standard input' : path
}

async function* standardInput(signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const stop = () => process.stdin.destroy()
  signal.addEventListener('abort', stop)
  for await (const chunk of process.stdin) yield chunk as Uint8Array
  signal.removeEventListener('abort', stop)
}

async function* fileBytes(
  path: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const file = await open(path)
  try {
    while (!signal.aborted) {
      const chunk = await readChunk(file)
      if (chunk.length > 0) yield chunk
      else if (follow) await delay(LOOK_MS, undefined, { signal })
      else return
    }
  } finally {
    await file.close()
  }
}

async function readChunk(file: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read({ buffer: new Uint8Array(CHUNK_BYTES) })
  return buffer.subarray(0, bytesRead)
}
