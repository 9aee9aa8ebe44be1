/** Files of rules, one a line; `#` at the start of a word begins a comment. */
import { readFileSync } from 'node:fs'
import type { StagedRule } from '../net/rule-status.ts'
import { UsageError } from './failure.ts'

/** `-`: standard input. `asked` names what wants the file. Throws a UsageError that says why it cannot be read. */
export function readRuleFile(path: string, asked: string): StagedRule[] {
  return readText(path, asked)
    .split('\n')
    .flatMap((line, index): StagedRule[] => {
      const text = line.replace(/(^|\s)#.*/, '').trim()
      return text === '' ? [] : [[index + 1, text]]
    })
}

/** How messages call the file. */
export function nameOfFile(path: string): string {
  return path === '-' ? 'standard input' : path
}

function readText(path: string, asked: string): string {
  try {
    return readFileSync(path === '-' ? STANDARD_INPUT : path, 'utf8')
  } catch (error) {
    throw new UsageError(`${asked} takes a file that can be read: ${(error as Error).message}`)
  }
}

const STANDARD_INPUT = 0
