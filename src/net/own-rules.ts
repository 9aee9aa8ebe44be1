/** The service table of a stack, as its operator sees and changes it. What that takes is loaded when somebody asks. */
import type { Sal } from '../sal/sal.ts'
import { nowMs } from './clock.ts'
import { DEFAULT_ROUTER_PORT } from './config.ts'
import type { RuleDesk } from './rule-desk.ts'

/** `wake`: the SAL may have something to do. */
export async function openOwnRules(sal: Sal, wake: () => void): Promise<RuleDesk> {
  const { RuleDesk } = await import('./rule-desk.ts')
  const { serviceTable: table, profile } = sal
  return new RuleDesk({
    table,
    defaultPort: profile.name === '2014' ? DEFAULT_ROUTER_PORT : undefined,
    own: () => [],
    replace: (prefix, rules, origin, selector) => table.replace(prefix, rules, origin, selector),
    remove: (prefix, selector) => table.remove(prefix, selector),
    onChanged: prefix => {
      sal.resolved(prefix, nowMs())
      wake()
    },
  })
}
