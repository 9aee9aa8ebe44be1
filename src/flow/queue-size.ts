/** How much a peer makes this end keep: every queue that a peer can fill has a cap (src/wire/README.md, "Control numbers"), and shows both. */
import { AHEAD_LIMIT, OUTSTANDING_LIMIT } from './control-channel.ts'
import type { FlowParts } from './flow-parts.ts'
import { CANDIDATE_LIMIT } from './migration.ts'
import { OUTBOX_LIMIT } from './outbox.ts'
import { FORMER_PATHS_LIMIT } from './path-set.ts'

export interface QueueSize {
  readonly name: string
  readonly size: number
  readonly limit: number
}

/** Of a flow that has `candidates` of its peer's to try, and `readableBytes` of its peer's that are not read yet. */
export function queuesOf(
  { outbox, channel, paths, context }: FlowParts<unknown>,
  candidates: number,
  readableBytes: number,
): readonly QueueSize[] {
  return [
    { name: 'owed control packets', size: outbox.size, limit: OUTBOX_LIMIT },
    { name: 'control packets ahead', size: channel.aheadCount, limit: AHEAD_LIMIT },
    { name: 'outstanding control packets', size: channel.outstanding.length, limit: OUTSTANDING_LIMIT },
    { name: 'candidates', size: candidates, limit: CANDIDATE_LIMIT },
    { name: 'former paths', size: paths.formerCount, limit: FORMER_PATHS_LIMIT },
    { name: 'bytes to read', size: readableBytes, limit: context.limits.receiveBufferBytes },
  ]
}
