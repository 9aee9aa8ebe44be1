/** How a command ends when it cannot do what it was asked: one line on stderr, and a status that says whose turn it is. */
import { CommanderError } from 'commander'
import { type ErrorCode, ServalError } from '../errors.ts'

export const exitStatus = { ok: 0, failed: 1, usage: 2 } as const
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus]

/** The command line, a variable or a file asks for what cannot be: its writer has to change it. */
export class UsageError extends Error {}

/** It was tried and did not work. The message is the whole explanation. */
export class Failure extends Error {}

/** The same, where the command has explained it on the way. */
export class ToldFailure extends Failure {}

/** 2 where the fault is in what was asked for, 1 where it could not be had. */
export function statusOf(error: unknown): ExitStatus {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage
  if (error instanceof UsageError) return exitStatus.usage
  if (error instanceof ServalError && USAGE_CODES.has(error.code)) return exitStatus.usage
  return exitStatus.failed
}

/** One line; with its stack where SERVAL_LOG asks for debugging. */
export function explain(error: unknown, { SERVAL_LOG } = process.env): string {
  if (SERVAL_LOG === 'debug' || SERVAL_LOG === 'trace') {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/\s*\n\s*/g, ' ')
}

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set([
  'ESERVICENAME',
  'ERR_SERVAL_RULE',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_OUT_OF_RANGE',
  'ERR_SOCKET_BAD_PORT',
])
