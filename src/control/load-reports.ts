/**
 * How busy this process is, as far as it is worth saying: what has changed noticeably since it was said, and everything again
 * every few seconds, for whoever has come since and because old reports are forgotten (`LOAD_TTL_MS`).
 */
import type { ServiceLoad } from './messages.ts'

/** It is looked so often, and so often at most something is said. */
export const REPORT_MS = 1000
/** What has not changed is said again: twice before it is forgotten. */
export const REPEAT_MS = 4000
/** What is noticed: one flow among few, a tenth of many; of a load that the program says, a twentieth of all. */
const FLOWS_SHARE = 0.1
const LOAD_STEP = 0.05

interface Said {
  readonly flows: number
  readonly load: number | undefined
  readonly at: number
}

export class LoadReports {
  readonly #said = new Map<string, Said>()

  /** A connection is up, and its other end knows nothing. */
  begin(): void {
    this.#said.clear()
  }

  /** Of what is the case now that which is to be said. Several listeners of one service are one. */
  take(current: Iterable<ServiceLoad>, nowMs: number): ServiceLoad[] {
    const loads = together(current)
    for (const key of this.#said.keys()) if (!loads.has(key)) this.#said.delete(key)
    const due = [...loads].filter(([key, load]) => isNews(load, this.#said.get(key), nowMs))
    for (const [key, { flows, load }] of due) this.#said.set(key, { flows, load, at: nowMs })
    return due.map(([, load]) => load)
  }
}

function isNews({ flows, load }: ServiceLoad, said: Said | undefined, nowMs: number): boolean {
  if (said === undefined || nowMs >= said.at + REPEAT_MS) return true
  if (Math.abs(flows - said.flows) >= Math.max(1, FLOWS_SHARE * said.flows)) return true
  if (load === undefined || said.load === undefined) return load !== said.load
  return Math.abs(load - said.load) >= LOAD_STEP
}

function together(current: Iterable<ServiceLoad>): Map<string, ServiceLoad> {
  const loads = new Map<string, ServiceLoad>()
  for (const load of current) {
    const key = load.prefix.toString()
    const other = loads.get(key)
    loads.set(key, other === undefined ? load : { ...load, ...sum(load, other) })
  }
  return loads
}

/** The busier one decides how much the process can take. */
function sum(a: ServiceLoad, b: ServiceLoad): Pick<ServiceLoad, 'flows' | 'load'> {
  const loads = [a.load, b.load].filter(load => load !== undefined)
  return { flows: a.flows + b.flows, load: loads.length === 0 ? undefined : Math.max(...loads) }
}
