/** What keeps the process: the stack counts the servers and datagram sockets that are open, unless they are unreferenced. */
import type { Stack } from '../net/stack.ts'

export class Hold {
  #stack: Stack | undefined

  /** The stack that waits. */
  get stack(): Stack | undefined {
    return this.#stack
  }

  /** Takes hold of a stack in place of the one before; undefined: of none. */
  take(stack: Stack | undefined): void {
    if (stack === this.#stack) return
    this.#stack?.unref()
    stack?.ref()
    this.#stack = stack
  }
}
