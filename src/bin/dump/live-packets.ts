/**
 * The packets of processes of this user, as they pass: each is asked at its status socket, and what they tell is put in
 * the order of time. Nothing needs to be captured, and no privilege: the kernel is not asked.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../../net/config.ts'
import { watchPackets } from '../../net/packet-client.ts'
import { RuntimeDirectory } from '../../net/runtime-dir.ts'
import { type CapturedPacket, PcapReader } from '../../wire/pcap.ts'
import { Failure } from '../failure.ts'
import { printNote } from '../output.ts'
import { type HostProcess, processesOf, titleOf } from '../processes.ts'
import { count } from '../units.ts'

export interface LivePacket extends CapturedPacket {
  readonly pid: number
}

interface HeldPacket extends LivePacket {
  readonly heldAt: number
}

/** How often it looks for what has come, and for who has. */
const LOOK_MS = 50
/** A packet waits so long for earlier ones of other processes, which tell some 20 times a second. */
const HOLD_MS = 120
/** A program has a socket before it answers at it. */
const MAX_TRIES = 20

/**
 * Of the process that `of` means until it ends, or of all, later ones too, until `signal` does. Throws a Failure where there is
 * no such process, or it cannot be watched.
 */
export async function* livePackets(
  of: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly LivePacket[], void> {
  const watch = new Watch(signal)
  if (of !== undefined) watch.add(await processesOf(of))
  try {
    while (!signal.aborted && (of === undefined || watch.hasProcesses)) {
      if (of === undefined) await watch.look()
      const packets = watch.take(Date.now() - HOLD_MS)
      if (packets.length > 0) yield packets
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined)
    }
    yield watch.take(Number.POSITIVE_INFINITY)
    if (of !== undefined && watch.failure !== undefined && !signal.aborted) throw watch.failure
  } finally {
    watch.end()
  }
}

class Watch {
  /** Why the last one that could not be watched could not be. */
  failure: Failure | undefined
  readonly #signal: AbortSignal
  readonly #ending = new AbortController()
  readonly #directory = new RuntimeDirectory(loadConfig().runtimeDir)
  /** Status sockets, with how often they have been tried. */
  readonly #tries = new Map<string, number>()
  readonly #watched = new Set<string>()
  #hasLooked = false
  #held: HeldPacket[] = []

  constructor(signal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
    // One for each process that is watched: Node warns of more than ten.
    setMaxListeners(0, this.#signal)
  }

  get hasProcesses(): boolean {
    return this.#watched.size > 0
  }

  add(processes: readonly HostProcess[]): void {
    for (const process of processes) {
      this.#tries.set(process.path, MAX_TRIES)
      this.#watched.add(process.path)
      printNote(`watching ${titleOf(process)}`)
      void this.#run(process)
    }
  }

  /** Watches who has come since. */
  async look(): Promise<void> {
    const paths = this.#directory.statusSockets()
    const isNew = (path: string) => (this.#tries.get(path) ?? 0) < MAX_TRIES
    const candidates = paths.filter(isNew)
    for (const path of candidates) this.#tries.set(path, (this.#tries.get(path) ?? 0) + 1)
    if (candidates.length > 0) {
      this.add((await processesOf(undefined)).filter(({ path }) => candidates.includes(path)))
    }
    if (!this.#hasLooked && this.#watched.size === 0) {
      printNote(`nothing of this user runs here yet (looking in ${this.#directory.path})`)
    }
    this.#hasLooked = true
  }

  /** What no earlier packet is likely to come before, all that came until then, in order of time. */
  take(until: number): LivePacket[] {
    const lastAt = this.#held.reduce(
      (latest, { heldAt, atMs }) => (heldAt <= until ? Math.max(latest, atMs) : latest),
      Number.NEGATIVE_INFINITY,
    )
    const due = this.#held.filter(({ atMs }) => atMs <= lastAt)
    this.#held = this.#held.filter(({ atMs }) => atMs > lastAt)
    return due.sort((a, b) => a.atMs - b.atMs)
  }

  end(): void {
    this.#ending.abort()
  }

  async #run(process: HostProcess): Promise<void> {
    const reader = new PcapReader()
    let lost = 0
    try {
      for await (const seen of watchPackets(process.path, this.#signal)) {
        lost += seen.lost
        const packets = reader.push(seen.bytes)
        if (typeof packets === 'string') throw new Error(packets)
        for (const packet of packets) this.#held.push({ ...packet, pid: process.pid, heldAt: Date.now() })
      }
    } catch (error) {
      this.failure = new Failure(`${titleOf(process)}: ${(error as Error).message}`, { cause: error })
      printNote(this.failure.message)
    }
    if (lost > 0) printNote(`${titleOf(process)}: ${count(lost, 'packet')} came too fast to be shown`)
    this.#watched.delete(process.path)
  }
}
