/**
 * The options of a FORWARD rule as text, each KEY=VALUE, in any order:
 *
 *     balance=maglev     random (if nothing is said), round-robin, least-loaded, peak-ewma, maglev or locality
 *     to=all             datagrams go to all targets
 *     slow-start=30s     a new target gets its weight bit by bit; s or ms
 *     eject=5            a target is left out for a while after so many failures in a row
 *     spill=0.8          with locality, the load from which packets go to targets that are far
 *     hedge=0.95         a SYN that is not answered in the time of so many of the others' answers goes to another too; or off
 */
import type { ServalError } from '../errors.ts'
import { BALANCE_NAMES, type BalanceName, type SharingPolicy } from './balance/sharing.ts'

type Complain = (value: string, expected: string) => ServalError

/** What the options say, undefined if there are none. Throws what `complain` makes. */
export function parseSharing(text: string, complain: Complain): SharingPolicy | undefined {
  const words = text.trim() === '' ? [] : text.trim().split(/\s+/)
  const values = new Map<string, string>()
  for (const word of words) {
    const [key = '', value = ''] = word.toLowerCase().split('=', 2)
    const option = isOption(key) ? options[key] : undefined
    if (option === undefined) throw complain(word, `an option of FORWARD is one of ${OPTION_FORMS}`)
    if (!option.form.test(value)) throw complain(word, option.accepted)
    if (values.has(key)) throw complain(word, `a rule says ${key}= once`)
    values.set(key, value)
  }
  const policy = [...values].map(([key, value]) => isOption(key) && options[key].parse(value))
  return words.length === 0 ? undefined : Object.assign({}, ...policy)
}

/** The one spelling of each option. */
export function formatSharing(policy: SharingPolicy = {}): string[] {
  const { balance, toAll, slowStartMs, ejectAfter, spillAt, hedgeAt } = policy
  const words: string[] = []
  if (balance !== undefined) words.push(`balance=${balance}`)
  if (toAll === true) words.push('to=all')
  if (slowStartMs !== undefined) words.push(`slow-start=${formatSpan(slowStartMs)}`)
  if (ejectAfter !== undefined) words.push(`eject=${ejectAfter}`)
  if (spillAt !== undefined) words.push(`spill=${spillAt}`)
  if (hedgeAt !== undefined) words.push(`hedge=${hedgeAt === 0 ? 'off' : hedgeAt}`)
  return words
}

interface Option {
  readonly form: RegExp
  readonly accepted: string
  readonly parse: (value: string) => SharingPolicy
}

const options = {
  balance: {
    form: new RegExp(`^(${BALANCE_NAMES.join('|')})$`),
    accepted: `balance is one of ${BALANCE_NAMES.join(', ')}`,
    parse: value => ({
      balance: BALANCE_NAMES.find(name => name === value) satisfies BalanceName | undefined,
    }),
  },
  to: {
    form: /^(all|one)$/,
    accepted: 'packets go to=one, or datagrams to=all',
    parse: value => ({ toAll: value === 'all' }),
  },
  'slow-start': {
    form: /^\d{1,7}(ms|s)$/,
    accepted: 'a slow start is a time in s or ms, as in slow-start=30s',
    parse: value => ({ slowStartMs: Number.parseInt(value, 10) * (value.endsWith('ms') ? 1 : 1000) }),
  },
  eject: {
    form: /^\d{1,6}$/,
    accepted: 'eject is a number of failures in a row, as in eject=5',
    parse: value => ({ ejectAfter: Number(value) }),
  },
  spill: {
    form: /^0?\.\d{1,6}$/,
    accepted: 'the mark to spill over at is above 0 and below 1, as in spill=0.8',
    parse: value => ({ spillAt: Number(value) }),
  },
  hedge: {
    form: /^(off|0?\.\d{1,6})$/,
    accepted: 'a hedge is off, or a share of answers above 0 and below 1, as in hedge=0.95',
    parse: value => ({ hedgeAt: value === 'off' ? 0 : Number(value) }),
  },
} as const satisfies Record<string, Option>

const OPTION_FORMS = Object.keys(options)
  .map(key => `${key}=`)
  .join(', ')

function isOption(key: string): key is keyof typeof options {
  return Object.hasOwn(options, key)
}

function formatSpan(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
