/** What a balancer's choice depends on, all of it plain unless a test says otherwise. */
import type { Choice } from '../../src/service/balance/balancer.ts'

export function choice(uniform = 0, rest: Partial<Choice> = {}): Choice {
  return { uniform, nowMs: 0, affinity: () => 0, isNear: () => false, ...rest }
}
