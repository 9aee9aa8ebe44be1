/**
 * What forwards the SYNs of `router`: forwarder KIND ADDRESS PORT TARGET PORT; KIND is serval, mmsg-loop or nginx. Says `ready`
 * when it can be used. It has all processors but the last, which is the load's: they stand for different hosts. A line `rules N` on stdin has serval take N rules more.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ServiceId } from '../../src/id/service-id.ts'
import { ServicePrefix } from '../../src/id/service-prefix.ts'
import { LESS_NICE } from '../../src/net/engine/thread-order.ts'
import { RouterShell } from '../../src/net/router-shell.ts'
import { withCProgram } from '../support/c-program.ts'
import { LOAD_SERVICE } from '../support/router-load.ts'
import { say } from './say.ts'

const [kind, address = '', port = '', target = '', targetPort = ''] = process.argv.slice(2)

leaveLastProcessor()
if (kind !== 'serval') beAsKeen()
switch (kind) {
  case 'serval':
    await serval()
    break
  case 'mmsg-loop':
    await withCProgram('mmsg-loop', path => run(path, [address, port, target, targetPort]))
    break
  case 'nginx':
    await nginx()
    break
}

/** All threads of this process, and what it starts. */
function leaveLastProcessor(): void {
  const processors = availableParallelism()
  if (processors === 1) return
  execFileSync('taskset', ['-a', '-c', '-p', `0-${processors - 2}`, String(process.pid)], { stdio: 'ignore' })
}

/** What a worker of ours takes where it may (src/net/engine/thread-order.ts), its peers have too. */
function beAsKeen(): void {
  try {
    setPriority(-LESS_NICE)
  } catch {
    // Nor may ours.
  }
}

async function serval(): Promise<void> {
  const shell = new RouterShell({
    bind: `${address}:${port}`,
    workers: 1,
    rules: [`${LOAD_SERVICE} FORWARD ${target}:${targetPort}`],
  })
  await shell.ready
  say('ready')
  for await (const line of createInterface(process.stdin)) {
    await addRules(shell, Number(/^rules (\d+)$/.exec(line)?.[1]))
    say('ruled')
  }
}

/** Each is a service of its own at the target, as from a controller. */
async function addRules(shell: RouterShell, count: number): Promise<void> {
  const endpoints = [{ address: target, port: Number(targetPort) }]
  const add = Array.from({ length: count }, (_, i) => {
    const id = new Uint8Array(32)
    new DataView(id.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1))
    const prefix = new ServicePrefix(ServiceId.fromBytes(id), 256)
    return { prefix, name: prefix.toString(), instance: 'bench', endpoints, weight: 1, priority: 1 }
  })
  await shell.applyRules({ remove: [], add })
}

/** One worker, as everything else here has one; logs off, and its limits where the load is not theirs. */
async function nginx(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'serval-bench-nginx-'))
  const config = join(folder, 'nginx.conf')
  writeFileSync(
    config,
    [
      'include /etc/nginx/modules-enabled/*.conf;',
      `daemon off; worker_processes 1; worker_rlimit_nofile 131072; pid ${folder}/pid; error_log stderr crit;`,
      'events { worker_connections 65536; }',
      `stream { server { listen ${address}:${port} udp rcvbuf=4m; proxy_pass ${target}:${targetPort};`,
      '  proxy_timeout 60s; } }',
    ].join('\n'),
  )
  const child = spawn('nginx', ['-c', config, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => child.kill('SIGTERM'))
  child.once('spawn', () => setTimeout(() => say('ready'), 300))
  await new Promise(resolve => child.once('exit', resolve))
  rmSync(folder, { recursive: true, force: true })
}

async function run(path: string, args: readonly string[]): Promise<void> {
  const child = spawn(path, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => child.kill('SIGTERM'))
  await new Promise(resolve => child.once('exit', resolve))
}
