/** The files that the demo serves: made for the purpose, of bytes that nobody could guess. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DemoFile } from './messages.ts'

const MEGABYTES = [4, 5, 6, 7, 8]

export const MEAN_FILE_BYTES = (MEGABYTES.reduce((sum, size) => sum + size, 0) / MEGABYTES.length) * 1e6

/** Where they are in the demo's directory. */
export function fileFolder(directory: string): string {
  return join(directory, 'files')
}

export function makeFiles(directory: string): DemoFile[] {
  mkdirSync(fileFolder(directory))
  return MEGABYTES.map((megabytes, index) => {
    const name = `file-${index + 1}.bin`
    const content = randomBytes(megabytes * 1e6)
    writeFileSync(join(fileFolder(directory), name), content)
    return { name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
  })
}
