/** The one stack that a program's sockets share unless they are given another: made when it is first needed. */
import { Stack } from './stack.ts'

let shared: Stack | undefined

/** Throws ERR_INVALID_ARG_VALUE where the configuration is malformed. */
export function defaultStack(): Stack {
  if (shared === undefined || shared.isClosed) shared = new Stack()
  return shared
}
