/**
 * Taking the addresses that the controller listens on, or saying who asked for one that cannot be had, and
 * who has it.
 */
import { chmod, lstat, mkdir, readdir, unlink } from 'node:fs/promises'
import type { AddressInfo, ListenOptions, Server } from 'node:net'
import { join } from 'node:path'
import { ServalError } from '../src/errors.ts'
import { formatEndpoint } from '../src/wire/endpoint.ts'
import { type Occupant, probe, probeApi } from './probe.ts'

export interface ListenAddress {
  /** IP address. */
  readonly address: string
  /** 0 picks a free one. */
  readonly port: number
  /** The option or variable that asked for it, for error messages: `--control`, `SERVAL_CONTROLLER`. */
  readonly askedBy?: string
}

export interface RuntimeDir {
  readonly path: string
  readonly askedBy?: string
}

/** The name of the control socket in the runtime directory. */
export const SOCKET_NAME = 'controller.sock'

/** Resolves to the address with the port that it got. EADDRINUSE or EADDRNOTAVAIL say by whom it was asked. */
export async function listenControl(server: Server, at: ListenAddress): Promise<ListenAddress> {
  const { address: host, port } = at
  const wanted = `tcp ${formatEndpoint(at)}${asked(at.askedBy)}`
  await listening(server, { host, port }).catch(async error => {
    throw await explain(error, wanted, () => probe({ host, port }))
  })
  return bound(server, at)
}

/** The same for the REST's server, started by `listen`. */
export async function listenApi(
  server: Server,
  at: ListenAddress,
  listen: (options: { host: string; port: number }) => Promise<unknown>,
): Promise<ListenAddress> {
  const { address: host, port } = at
  const wanted = `http ${formatEndpoint(at)}${asked(at.askedBy)}`
  await listen({ host, port }).catch(async error => {
    throw await explain(error, wanted, () => probeApi(`http://${formatEndpoint(at)}`))
  })
  return bound(server, at)
}

/**
 * Listens on the control socket of a runtime directory, which is made if need be, mode 0700; the socket has
 * mode 0600. One that nobody answers on is left over from a crash, and removed. Resolves to its path.
 */
export async function listenUnix(server: Server, { path: directory, askedBy }: RuntimeDir): Promise<string> {
  await ownDirectory(directory, askedBy)
  const path = join(directory, SOCKET_NAME)
  const wanted = `unix:${path}${asked(askedBy)}`
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new ServalError('ERR_INVALID_ARG_VALUE', {
      argument: `runtimeDir${asked(askedBy)}`,
      expected: `short enough for a socket path of ${MAX_SOCKET_PATH_BYTES} bytes`,
      received: path,
    })
  }
  await listening(server, { path }).catch(async error => {
    if (!(await isStale(path, error))) throw await explain(error, wanted, () => probe({ path }))
    await listening(server, { path }).catch(async again => {
      throw await explain(again, wanted, () => probe({ path }))
    })
  })
  await chmod(path, 0o600)
  return path
}

/** Of sun_path on the systems that allow the least, its terminating zero left out. */
const MAX_SOCKET_PATH_BYTES = 103

function bound(server: Server, at: ListenAddress): ListenAddress {
  const { port } = server.address() as AddressInfo
  return { ...at, port }
}

async function ownDirectory(path: string, askedBy?: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { uid, mode } = await lstat(path)
  const isOwn = process.getuid === undefined || uid === process.getuid()
  if (isOwn && (process.platform === 'win32' || (mode & 0o077) === 0)) return
  // Closed to others only if nothing but sockets is in it: else its name is a mistake, /tmp or /run for one.
  const entries = await readdir(path, { withFileTypes: true })
  if (isOwn && entries.every(entry => entry.isSocket())) return chmod(path, 0o700)
  throw new ServalError('ERR_INVALID_ARG_VALUE', {
    argument: `runtimeDir${asked(askedBy)}`,
    expected: "a directory of this user's own that nobody else can enter (mode 0700)",
    received: `${path} (mode 0${(mode & 0o777).toString(8)}, user ${uid})`,
  })
}

/** Removes the socket of a controller that is no more; false if it is in use, or something else is wrong. */
async function isStale(path: string, error: NodeJS.ErrnoException): Promise<boolean> {
  if (error.code !== 'EADDRINUSE') return false
  const before = await lstat(path)
  if (!before.isSocket() || (await probe({ path })).type !== 'nobody') return false
  // Another controller may have swept it meanwhile and put its own there.
  const now = await lstat(path).catch(() => undefined)
  if (now !== undefined && now.ino === before.ino) await unlink(path)
  return true
}

function listening(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      server.off('listening', succeed)
      reject(error)
    }
    const succeed = () => {
      server.off('error', fail)
      resolve()
    }
    server.once('error', fail)
    server.once('listening', succeed)
    server.listen(options)
  })
}

async function explain(
  cause: unknown,
  wanted: string,
  occupant: () => Promise<Occupant>,
): Promise<ServalError> {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code !== 'EADDRINUSE') {
    // Other faults, such as EACCES, say in their own words what is wrong.
    const address = code === 'EADDRNOTAVAIL' ? wanted : `${wanted}: ${message}`
    return new ServalError('EADDRNOTAVAIL', { syscall: 'listen', address }, { cause })
  }
  const owner = describe(await occupant())
  return new ServalError('EADDRINUSE', { service: wanted, owner }, { cause })
}

function describe(occupant: Occupant): string {
  return occupant.type === 'controller'
    ? `the controller with pid ${occupant.pid}`
    : 'another process, which is no controller'
}

function asked(by?: string): string {
  return by === undefined ? '' : ` (asked for by ${by})`
}
