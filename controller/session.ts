/** One control connection, as the hub sees it. */
import { FrameReader, MAX_AGENT_FRAME_BYTES } from '../src/control/frame.ts'
import { KnownRules } from '../src/control/known-rules.ts'
import type { Member } from './registry.ts'

export class Session {
  readonly connection: number
  readonly from: string
  readonly frames = new FrameReader(MAX_AGENT_FRAME_BYTES)
  /** What it was answered, as far as it may still use it. */
  readonly known = new KnownRules(false)
  /** From Hello on. */
  member: Member | undefined
  /** What a later connection of the same instance must know. */
  secret: string | undefined
  malformed = 0
  /** A router that still holds what an earlier controller told it. */
  isProvisional = false

  constructor(connection: number, from: string) {
    this.connection = connection
    this.from = from
  }
}
