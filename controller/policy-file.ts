/**
 * What operators have said of policies by REST, on disk. Programs register again with whoever takes the place of a controller
 * that was killed; operators do not, so what was acknowledged to them is in a file by then: policy lines, as
 * `--policies` reads them.
 *
 * The file is only ever replaced as a whole, by one that is complete on disk: whenever the process or the machine
 * stops, it is the old one or the new one.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ServalError } from '../src/errors.ts'
import type { ServicePrefix } from '../src/id/service-prefix.ts'
import { formatPolicy, type PolicyLine, parsePolicy } from '../src/service/policy-text.ts'

export class PolicyFile {
  readonly path: string
  #lines: readonly PolicyLine[]

  /** Reads what an earlier controller kept. Throws ERR_SERVAL_RULE with the line that is none, or the system's error. */
  constructor(path: string) {
    this.path = path
    this.#lines = read(path)
  }

  get lines(): readonly PolicyLine[] {
    return this.#lines
  }

  /** In the place of what was said of the same prefix. Throws the system's error; then all is as it was. */
  set(line: PolicyLine): void {
    this.#replace([...this.#without(line.prefix), line])
  }

  /** Errors as `set`. */
  remove(prefix: ServicePrefix): void {
    const left = this.#without(prefix)
    if (left.length < this.#lines.length) this.#replace(left)
  }

  #without(prefix: ServicePrefix): PolicyLine[] {
    return this.#lines.filter(line => !line.prefix.equals(prefix))
  }

  #replace(lines: readonly PolicyLine[]): void {
    const next = `${this.path}.new`
    const text = [HEADER, ...lines.map(formatPolicy), ''].join('\n')
    writeFileSync(next, text, { mode: 0o600, flush: true })
    renameSync(next, this.path)
    this.#lines = lines
    flushDirectory(dirname(this.path))
  }
}

const HEADER = '# Set by REST; written by the controller, and read when it starts.'

function read(path: string): PolicyLine[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return text.split('\n').flatMap((line, index) => {
    return line.trim() === '' || line.startsWith('#') ? [] : [parsed(line, `${path}:${index + 1}`)]
  })
}

function parsed(line: string, place: string): PolicyLine {
  try {
    return parsePolicy(line)
  } catch (error) {
    const { message } = error as Error
    throw new ServalError(
      'ERR_SERVAL_RULE',
      { rule: line, value: line, expected: '', message: `${place}: ${message}` },
      { cause: error },
    )
  }
}

/** Only then has the new name survived a power cut (fsync(2)). Where directories cannot be opened it is left to the system. */
function flushDirectory(path: string): void {
  if (process.platform === 'win32') return
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
