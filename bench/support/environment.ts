/** The machine, as far as figures depend on it. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

export function describeMachine() {
  return {
    node: process.version,
    kernel: `${process.platform} ${release()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    tcp: tcpAlgorithms().default,
  }
}

/** Congestion control of the kernel's TCP: what it uses, and what else it could. */
export function tcpAlgorithms(): { readonly default: string; readonly available: readonly string[] } {
  const read = (name: string) => {
    try {
      return readFileSync(`/proc/sys/net/ipv4/tcp_${name}`, 'utf8').trim()
    } catch {
      return 'unknown'
    }
  }
  return {
    default: read('congestion_control'),
    available: read('available_congestion_control').split(' '),
  }
}

/** Files and sockets that a process may have open. */
export function maxDescriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

export interface CpuShare {
  /** Of all CPU time, what anybody here used, and what the hypervisor gave to others; 0 to 1. */
  readonly busy: number
  readonly steal: number
}

/** Call the function that it returns at the end. Zeros where the system does not tell. */
export function watchCpu(): () => CpuShare {
  const before = readTimes()
  return () => {
    const times = readTimes().map((ticks, index) => ticks - before[index]!)
    const total = times.reduce((sum, ticks) => sum + ticks, 0) || 1
    const [, , , idle = 0, iowait = 0, , , steal = 0] = times
    return { busy: 1 - (idle + iowait + steal) / total, steal: steal / total }
  }
}

/** user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
function readTimes(): number[] {
  try {
    return readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number)
  } catch {
    return [0, 0, 0, 1, 0, 0, 0, 0]
  }
}
