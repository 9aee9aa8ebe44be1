// @ts-check
/** Says what a REST answers, over kernel TCP: node get.js URL */
import { say, sayError } from './say.js'

try {
  const response = await fetch(process.argv[2] ?? '')
  say('answer', { status: response.status, body: await response.json() })
} catch (error) {
  sayError(/** @type {Error} */ (error))
}
