/** Tests that need namespaces: where there can be none they are listed as skipped, with the reason. */
import { describe } from 'vitest'
import { namespacesLack } from './namespace.ts'

export function describeInLab(name: string, body: () => void): void {
  const lack = namespacesLack()
  describe.runIf(lack === undefined)(lack === undefined ? name : `${name} (skipped, ${lack})`, body)
}
