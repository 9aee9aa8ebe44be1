/** The dialect of a profile. */
import type { Dialect, DialectHost } from './dialect.ts'
import { Dialect2014 } from './dialect-2014.ts'
import { NativeDialect } from './native-dialect.ts'

export function newDialect(host: DialectHost): Dialect {
  return host.profile.name === '2014' ? new Dialect2014(host) : new NativeDialect(host)
}
