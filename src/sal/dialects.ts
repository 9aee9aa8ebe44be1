/** The dialect of a profile. */
import type { Dialect, DialectHost } from './dialect.ts'
import { NativeDialect } from './native-dialect.ts'

export function newDialect(host: DialectHost): Dialect {
  return new NativeDialect(host)
}
