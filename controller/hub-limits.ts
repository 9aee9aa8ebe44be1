/** How long the hub waits, and how much it holds for one agent. */

export interface HubLimits {
  /** Silence after which a member is withdrawn. Default 10,000. */
  readonly leaseMs: number
  /** For how long evictions hold where too many are silent at once. Default 300,000. */
  readonly holdMs: number
  /** For how long a host may use an answer without asking again. Default 30,000. */
  readonly answerMs: number
  /** From connection to Hello. Default 5,000. */
  readonly helloMs: number
  /** Default 4,096. */
  readonly registrationsPerMember: number
  /** Answers that a host is kept up to date about; beyond, they just expire. Default 4,096. */
  readonly answersPerMember: number
  /** Unreadable messages after which a connection is closed. Default 8. */
  readonly malformedPerConnection: number
}

export const DEFAULT_LIMITS: HubLimits = {
  leaseMs: 10_000,
  holdMs: 300_000,
  answerMs: 30_000,
  helloMs: 5000,
  registrationsPerMember: 4096,
  answersPerMember: 4096,
  malformedPerConnection: 8,
}
