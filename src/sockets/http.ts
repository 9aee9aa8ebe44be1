/**
 * `serval/http`. The default export is the module itself, as with `node:http`: its classes are types as well,
 * `http.Server`.
 */
import * as http from './http-exports.ts'

export * from './http-exports.ts'
export default http
