/** What operators have said about how services are shared: of the patterns that cover a service the longest counts. */
import type { ServicePrefix } from '../src/id/service-prefix.ts'
import type { SharingPolicy } from '../src/service/balance/sharing.ts'
import type { PolicyLine } from '../src/service/policy-text.ts'

export class Policies {
  /** The longest first. */
  #lines: readonly PolicyLine[] = []

  get all(): readonly PolicyLine[] {
    return this.#lines
  }

  /** Undefined: nobody has said anything. */
  sharingOf(service: ServicePrefix): SharingPolicy | undefined {
    return this.#lines.find(({ prefix }) => prefix.covers(service))?.sharing
  }

  find(prefix: ServicePrefix): PolicyLine | undefined {
    return this.#lines.find(line => line.prefix.equals(prefix))
  }

  /** In the place of what was said of the same prefix. */
  set(line: PolicyLine): void {
    this.remove(line.prefix)
    this.#lines = [...this.#lines, line].sort((a, b) => b.prefix.bits - a.prefix.bits)
  }

  /** False if nothing was said of it. */
  remove(prefix: ServicePrefix): boolean {
    const left = this.#lines.filter(line => !line.prefix.equals(prefix))
    const isRemoved = left.length < this.#lines.length
    this.#lines = left
    return isRemoved
  }
}
