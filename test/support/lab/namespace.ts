/**
 * Network namespaces of Linux: hosts of their own, as far as networking goes, on one machine. Each has a random name that
 * also says which process made it, so that what a killed process left behind is found and removed by the next one.
 * Everything is removed when this process ends, however it ends, short of SIGKILL.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'

const FOLDER = '/run/netns'
const PREFIX = 'svlab'

/** Why there can be none here; undefined: there can. */
export function namespacesLack(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  return spawnSync('ip', ['-V']).status === 0 ? undefined : 'needs ip(8)'
}

export class Namespace {
  readonly name: string
  #isRemoved = false

  /** `role` is for people who list namespaces while a test runs. */
  constructor(role: string) {
    sweepOnce()
    this.name = `${PREFIX}-${process.pid}-${randomBytes(4).toString('hex')}-${role}`
    ip('netns', 'add', this.name)
    living.add(this)
    this.ip('link', 'set', 'lo', 'up')
  }

  /** Runs ip(8) inside; returns what it prints, throws what it complains of. */
  ip(...args: string[]): string {
    return ip('-n', this.name, ...args)
  }

  /** Sets a kernel parameter of this namespace. */
  sysctl(name: string, value: number | string): void {
    execFileSync(...this.command('sysctl', '-qw', `${name}=${value}`))
  }

  /** The command that runs another one inside, under the same pid. */
  command(file: string, ...args: string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.name, file, ...args]]
  }

  /** Ends what still runs inside, and takes links and addresses along. */
  remove(): void {
    if (this.#isRemoved) return
    this.#isRemoved = true
    living.delete(this)
    removeByName(this.name)
  }
}

/** A virtual Ethernet cable between two namespaces, both ends up. */
export function connect(
  left: Namespace,
  leftInterface: string,
  right: Namespace,
  rightInterface: string,
): void {
  left.ip('link', 'add', leftInterface, 'type', 'veth', 'peer', 'name', rightInterface, 'netns', right.name)
  left.ip('link', 'set', leftInterface, 'up')
  right.ip('link', 'set', rightInterface, 'up')
}

const living = new Set<Namespace>()
let isSwept = false

/** Removes what processes that are no more have left, and sees to it that this one leaves nothing. */
function sweepOnce(): void {
  if (isSwept) return
  isSwept = true
  for (const name of listNamespaces()) {
    const pid = Number(/^svlab-(\d+)-/.exec(name)?.[1] ?? process.pid)
    if (!isAlive(pid)) removeByName(name)
  }
  const removeAll = () => {
    for (const namespace of [...living]) namespace.remove()
  }
  process.on('exit', removeAll)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      removeAll()
      process.kill(process.pid, signal)
    })
  }
}

function listNamespaces(): string[] {
  try {
    return readdirSync(FOLDER)
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function removeByName(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? ''
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  spawnSync('ip', ['netns', 'del', name])
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
