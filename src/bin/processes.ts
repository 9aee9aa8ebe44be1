/** The processes of this host that can be asked: which there are, and which one a command means. */
import { InvalidArgumentError, Option } from 'commander'
import { loadConfig } from '../net/config.ts'
import { RuntimeDirectory } from '../net/runtime-dir.ts'
import type { StackStatus } from '../net/status.ts'
import { askSockets } from '../net/status-client.ts'
import { Failure, UsageError } from './failure.ts'

/** A stack or router of this user that runs here. */
export interface HostProcess
  extends Pick<StackStatus, 'kind' | 'pid' | 'program' | 'instance' | 'endpoints'> {
  /** Its status socket. */
  readonly path: string
}

/** `--of`: by its pid, or, where one process has several stacks, by the first digits of its instance. */
export function processOption(): Option {
  return new Option(
    '--of <process>',
    'its pid, or the start of its instance (serval services --json)',
  ).argParser(text => {
    if (/^\d{1,7}$|^[0-9a-f]{8,32}$/.test(text)) return text
    throw new InvalidArgumentError('A pid is accepted, or 8 to 32 hex digits of an instance.')
  })
}

/** Those that `of` means, or all; routers first. Throws a Failure if there are none. */
export async function processesOf(of: string | undefined): Promise<HostProcess[]> {
  const { runtimeDir } = loadConfig()
  const found = await askSockets(new RuntimeDirectory(runtimeDir), { ask: 'watch' })
  const all = [...found].map(([path, { kind, pid, program, instance, endpoints }]) => {
    return { path, kind, pid, program, instance, endpoints }
  })
  all.sort((a, b) => Number(a.kind === 'host') - Number(b.kind === 'host') || a.pid - b.pid)
  if (of === undefined) return all
  const meant = all.filter(({ pid, instance }) => String(pid) === of || instance.startsWith(of))
  if (meant.length > 0) return meant
  throw new Failure(`no process ${of} of this user can be asked (asked ${runtimeDir})${running(all)}`)
}

/** The one that `of` means, or the only router. Throws a Failure or UsageError that says what there is. */
export async function theProcess(of: string | undefined): Promise<HostProcess> {
  const all = await processesOf(of)
  const routers = of === undefined ? all.filter(({ kind }) => kind === 'router') : all
  const [first, second] = routers
  if (first === undefined) {
    const { runtimeDir } = loadConfig()
    const mend = 'start one with serval router, or name a process with --of'
    throw new Failure(`no router of this user runs here (asked ${runtimeDir}); ${mend}${running(all)}`)
  }
  if (second === undefined) return first
  throw new UsageError(`several could be meant: choose one with --of${running(routers)}`)
}

/** `serval router (pid 42)`. */
export function titleOf({ program, pid }: HostProcess): string {
  return `${program} (pid ${pid})`
}

function running(all: readonly HostProcess[]): string {
  if (all.length === 0) return ''
  const shown = all
    .slice(0, MAX_SHOWN)
    .map(process => `${process.pid} ${process.program} ${process.endpoints[0] ?? ''}`.trim())
  const rest = all.length > MAX_SHOWN ? [`${all.length - MAX_SHOWN} more`] : []
  return `; running: ${[...shown, ...rest].join(', ')}`
}

const MAX_SHOWN = 5
