import { expect, it } from 'vitest'
import { type TraceOptions, traceFailure } from './trace.ts'

/** A test: the stream behaves as `script` says (trace.ts). */
export function holds(name: string, script: string, options: TraceOptions = {}): void {
  it(name, () => {
    expect(traceFailure(script, options)).toBeUndefined()
  })
}
