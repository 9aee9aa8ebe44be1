/**
 * `serval/dgram`. The default export is the module itself, as with `node:dgram`: its class is a type as well,
 * `dgram.Socket`.
 */
import * as dgram from './dgram-exports.ts'

export * from './dgram-exports.ts'
export default dgram
