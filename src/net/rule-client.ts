/** The operator's end of the rule desk of another process of this host: see `rule-desk.ts`. */
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import type { ServicePrefix } from '../id/service-prefix.ts'
import type {
  ChangeVerb,
  Complaint,
  RuleAnswer,
  RuleChangeCount,
  RuleProgress,
  RuleRequest,
  RuleStatus,
  StagedRule,
} from './rule-status.ts'

/** What a change came to: all of it is made, or nothing. */
export type RuleOutcome = { readonly changed: RuleChangeCount } | { readonly refused: readonly Complaint[] }

/** A process that says nothing for so long is stuck. */
const SILENCE_MS = 10_000
/** The desk reads so much at a time before it serves packets again: some 300 rules. */
const STAGE_CHARACTERS = 1 << 14

export class RuleClient {
  readonly #path: string

  /** `path`: the status socket. */
  constructor(path: string) {
    this.#path = path
  }

  /** The entries under a prefix, in no order. Rejects where the process goes away or is stuck. */
  async list(under: ServicePrefix, { uncounted = false } = {}): Promise<RuleStatus[]> {
    const entries: RuleStatus[] = []
    for await (const answer of this.#ask([{ ask: 'rules', under: under.toString(), uncounted }])) {
      if ('entries' in answer) for (const entry of answer.entries) entries.push(entry)
      if ('done' in answer) return entries
    }
    throw gone()
  }

  /** Makes a change by rules, each named by the line on which it stands. Rejects as `list`. */
  async change(
    verb: ChangeVerb,
    rules: readonly StagedRule[],
    onProgress?: (progress: RuleProgress) => void,
  ): Promise<RuleOutcome> {
    return this.#outcome([...stages(rules), { ask: 'change', verb }], onProgress)
  }

  /** Takes what was set by hand from a pattern, or what leads to a target, ADDRESS:PORT [stream|datagram]. Rejects as `list`. */
  async remove(pattern: string, target: string | null): Promise<RuleOutcome> {
    return this.#outcome([{ ask: 'delete', pattern, target }])
  }

  async #outcome(
    requests: readonly RuleRequest[],
    onProgress: (progress: RuleProgress) => void = () => undefined,
  ): Promise<RuleOutcome> {
    for await (const answer of this.#ask(requests)) {
      if ('progress' in answer) onProgress(answer.progress)
      if ('changed' in answer || 'refused' in answer) return answer
    }
    throw gone()
  }

  async *#ask(requests: readonly RuleRequest[]): AsyncGenerator<RuleAnswer, void> {
    const connection = createConnection(this.#path)
    let failure: Error | undefined
    connection.on('error', error => {
      failure = error
    })
    connection.setTimeout(SILENCE_MS, () => connection.destroy(new Error('it does not answer')))
    try {
      for (const request of requests) connection.write(`${JSON.stringify(request)}\n`)
      for await (const line of createInterface({ input: connection })) yield JSON.parse(line)
      if (failure !== undefined) throw failure
    } finally {
      connection.destroy()
    }
  }
}

function* stages(rules: readonly StagedRule[]): Generator<RuleRequest, void> {
  let part: StagedRule[] = []
  let characters = 0
  for (const rule of rules) {
    part.push(rule)
    characters += rule[1].length
    if (characters < STAGE_CHARACTERS) continue
    yield { ask: 'stage', rules: part }
    part = []
    characters = 0
  }
  yield { ask: 'stage', rules: part }
}

function gone(): Error {
  return new Error('it has ended, or is too old to know of rules')
}
