/**
 * The runtime directory: where the programs of one user on one host meet with nothing else running. Each stack has its
 * status socket there, the local controller its control socket. Only its owner can enter it, and that is what vouches
 * for what is said in it.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ServalError } from '../errors.ts'

/** sun_path of unix(7) with its final zero. */
const MAX_SOCKET_PATH_BYTES = 107
const STATUS_SOCKET = /^(\d+)-[0-9a-f]{8}\.sock$/

export class RuntimeDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Where a controller of this host listens. */
  get controllerSocket(): string {
    return join(this.path, 'controller.sock')
  }

  /** Makes the directory, or checks that it is ours alone. Throws ERR_INVALID_ARG_VALUE. */
  prepare(): void {
    try {
      makeFolders(this.path)
      const { uid, mode } = lstatSync(this.path)
      const own = process.getuid?.() ?? uid
      if (uid !== own) throw new Error(`it belongs to user ${uid}, this program runs as ${own}`)
      if ((mode & 0o077) !== 0) this.#shut()
    } catch (error) {
      throw this.#unusable(error)
    }
  }

  /** A path for this process's own status socket. */
  newStatusSocket(randomBytes: (n: number) => Uint8Array): string {
    const tail = Buffer.from(randomBytes(4)).toString('hex')
    const path = join(this.path, `${process.pid}-${tail}.sock`)
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path
    throw this.#unusable(
      new Error(`its path is too long for a socket (${MAX_SOCKET_PATH_BYTES} bytes in all)`),
    )
  }

  /** The status sockets that are there now, live or not. */
  statusSockets(): string[] {
    try {
      return readdirSync(this.path)
        .filter(name => STATUS_SOCKET.test(name))
        .map(name => join(this.path, name))
    } catch {
      return []
    }
  }

  /** Removes a socket that nobody answers at, if its process is no more. */
  sweep(path: string): void {
    const pid = Number(STATUS_SOCKET.exec(path.slice(this.path.length + 1))?.[1])
    if (pid > 0 && !isRunning(pid)) rmSync(path, { force: true })
  }

  /** Only where nothing but sockets is: else the directory is another's, /tmp or a home, named by mistake. */
  #shut(): void {
    const other = readdirSync(this.path, { withFileTypes: true }).find(entry => !entry.isSocket())
    if (other !== undefined && process.platform !== 'win32') {
      throw new Error(`others can enter it, and it holds more than sockets (${other.name})`)
    }
    chmodSync(this.path, 0o700)
  }

  #unusable(cause: unknown): ServalError {
    const received = `${this.path}: ${cause instanceof Error ? cause.message : String(cause)}`
    const expected = 'a directory of this user, set by SERVAL_RUNTIME_DIR'
    return new ServalError('ERR_INVALID_ARG_VALUE', { argument: 'runtimeDir', expected, received }, { cause })
  }
}

/** Without mkdir's `recursive`: in Node 20 that never returns where ENOENT refuses a folder, as /proc does. */
function makeFolders(path: string): void {
  const isThere = (folder: string) => lstatSync(folder, { throwIfNoEntry: false }) !== undefined
  const missing: string[] = []
  for (let folder = path; !isThere(folder) && dirname(folder) !== folder; folder = dirname(folder)) {
    missing.unshift(folder)
  }
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode: 0o700 })
    } catch (error) {
      // Another program of this user may have been first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  if (!statSync(path).isDirectory()) throw new Error('it is not a directory')
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
