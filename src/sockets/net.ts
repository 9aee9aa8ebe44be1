/**
 * `serval/net`. The default export is the module itself, as with `node:net`: its classes are types as well, `net.Socket`.
 */
import * as net from './net-exports.ts'

export * from './net-exports.ts'
export default net
