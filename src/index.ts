/** What `import ... from 'serval'` gives: every public name of the package that is not a module of its own. */

export { type ErrorCode, type ErrorDetails, errors, ServalError } from './errors.ts'
