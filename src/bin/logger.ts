/** The log of a long-running command: pino's lines on stderr, as many as SERVAL_LOG asks for. */
import { type Logger, pino } from 'pino'
import type { LogLevel } from '../net/config.ts'

export function createLogger(level: LogLevel): Logger {
  return pino({ level }, pino.destination({ dest: 2, sync: true }))
}
