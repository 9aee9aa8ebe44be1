/**
 * How long a stack keeps its process alive, and what its flows say last. The process lives for whoever waits for
 * something (`ref`), and for flows that their programs have let go of and that still have something to say.
 */
import type { AnyFlow } from '../flow/any-flow.ts'
import type { FlowState } from '../flow/states.ts'
import type { Sal } from '../sal/sal.ts'
import { protocols } from '../wire/sal-header.ts'
import { nowMs } from './clock.ts'

/** What sends for the flows, and can keep the process. */
export interface Keeper {
  hold(isHeld: boolean): void
  /** What may leave does, at once. */
  flush(): void
}

export class Lifetime {
  readonly #sal: Sal
  readonly #keeper: Keeper
  #users = 0
  /** Let go of, and not done. */
  readonly #lingering = new Set<AnyFlow>()
  #onFinished: (() => void) | undefined
  /** What was written when nothing else kept the process any more, by flow: it ends when peers have that, whatever they make it answer since. */
  #owed: Map<AnyFlow, number> | undefined
  /** When it was last asked whether that is so. */
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(sal: Sal, keeper: Keeper) {
    this.#sal = sal
    this.#keeper = keeper
    this.#hold()
  }

  ref(): void {
    this.#users++
    this.#hold()
  }

  unref(): void {
    this.#users = Math.max(0, this.#users - 1)
    this.#hold()
  }

  /** The process lives until the task is done. */
  async during<T>(task: () => Promise<T>): Promise<T> {
    this.ref()
    try {
      return await task()
    } finally {
      this.unref()
    }
  }

  /** The program is done with a flow: it ends when all is said. */
  letGo(flow: AnyFlow): void {
    flow.close(nowMs())
    if (!hasSaidAll(flow.state)) this.#lingering.add(flow)
    this.#hold()
  }

  /** A flow has entered a state. */
  handleState(flow: AnyFlow, state: FlowState): void {
    if (hasSaidAll(state) && this.#lingering.delete(flow)) this.#hold()
    if (this.#onFinished === undefined || (state !== 'CLOSED' && state !== 'TIMEWAIT')) return
    if (this.#unfinished.every(other => other === flow)) this.#onFinished()
  }

  /** Resolves when no flow has anything to say any more, or after `graceMs`. */
  finished(graceMs: number): Promise<void> {
    if (graceMs <= 0 || this.#unfinished.length === 0) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, graceMs)
      this.#onFinished = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Peers hear at once that nothing more will come. */
  resetAll(): void {
    this.#reset(this.#unfinished)
  }

  /** The process ends: peers need not find out by themselves. */
  handleExit(): void {
    const flows = this.#unfinished
    // What may leave at once does, with the end of the stream behind it.
    for (const flow of flows) flow.close(nowMs())
    this.#keeper.flush()
    // A kernel would send the rest. We cannot, and the peer must not take what it has for all there was. Nor would there be
    // anybody to refuse what it still sends where it has not ended.
    this.#reset(flows.filter(flow => flow.unfinished && (flow.unsentBytes > 0 || hasSaidAll(flow.state))))
    this.#keeper.flush()
  }

  /** A kernel would go on with this when the program is gone: asked again and again, until it is not so or the program goes on. */
  isSending(): boolean {
    const now = nowMs()
    if (now - this.#askedAt > ASKED_AGAIN_MS) this.#owed = undefined
    this.#askedAt = now
    const streams = this.#unfinished.filter(({ protocol }) => protocol === protocols.STREAM)
    this.#owed ??= new Map(streams.map(flow => [flow, ackedBytes(flow) + flow.bufferedBytes]))
    return streams.some(flow => ackedBytes(flow) < (this.#owed?.get(flow) ?? 0))
  }

  get #unfinished(): AnyFlow[] {
    return [...this.#sal.flows].filter(flow => flow.unfinished)
  }

  #reset(flows: readonly AnyFlow[]): void {
    for (const flow of flows) flow.reset(nowMs())
  }

  #hold(): void {
    this.#keeper.hold(this.#users + this.#lingering.size > 0)
  }
}

/** `atExit` asks much sooner as long as nothing else keeps the process. */
const ASKED_AGAIN_MS = 100

function ackedBytes(flow: AnyFlow): number {
  return flow.info().bytesOut + flow.unsentBytes - flow.bufferedBytes
}

/** Whether the peer has acknowledged all that there was to say, the end of the stream included. */
function hasSaidAll(state: FlowState): boolean {
  return state === 'FINWAIT2' || state === 'TIMEWAIT' || state === 'CLOSED'
}
