/**
 * How the instances of services share packets, as operators tell a controller, on its command line, in a file, by REST:
 *
 *     PATTERN SHARE [OPTION ...]      *.shop.example SHARE balance=least-loaded eject=5
 *
 * A PATTERN is that of a rule (`rule-text.ts`), and covers all services that are registered under it; of several the longest
 * counts. OPTIONs are those of FORWARD (`sharing-text.ts`); without any the instances share as if nothing was said, even where
 * a shorter pattern says something.
 */
import type { ServicePrefix } from '../id/service-prefix.ts'
import type { SharingPolicy } from './balance/sharing.ts'
import { checkSharing } from './rule-check.ts'
import { malformed, parsePattern } from './rule-text.ts'
import { formatSharing, parseSharing } from './sharing-text.ts'

export interface PolicyLine {
  /** In its one spelling. */
  readonly pattern: string
  readonly prefix: ServicePrefix
  readonly sharing: SharingPolicy
}

/** Throws ERR_SERVAL_RULE, which quotes the line, names the value and says what is accepted. */
export function parsePolicy(text: string): PolicyLine {
  const line = text.trim()
  const [, patternText = '', action = '', rest = ''] = /^(\S*)\s*(\S*)\s*(.*)$/s.exec(line) ?? []
  const { pattern, prefix } = parsePattern(line, patternText)
  if (action.toUpperCase() !== 'SHARE') throw malformed(line, action, POLICY_FORM)
  const sharing = parseSharing(rest, (value, expected) => malformed(line, value, expected)) ?? {}
  checkSharing(sharing, () => line)
  return { pattern, prefix, sharing }
}

/** The one spelling; `parsePolicy` reads it back. */
export function formatPolicy({ pattern, sharing }: PolicyLine): string {
  return [pattern, 'SHARE', ...formatSharing(sharing)].join(' ')
}

/** Targets are not said: they register. */
const POLICY_FORM =
  'a policy is PATTERN SHARE [OPTION ...], as in web.example SHARE balance=least-loaded; who serves registers by itself'
