// @ts-check
/**
 * Says on stdout what happened, a line of JSON an event, with when: milliseconds since the process began.
 *
 * @param {string} event
 * @param {Record<string, unknown>} [details]
 */
export function say(event, details = {}) {
  const atMs = Math.round(performance.now() * 10) / 10
  process.stdout.write(`${JSON.stringify({ event, atMs, ...details })}\n`)
}

/** @param {NodeJS.ErrnoException} error */
export function sayError(error) {
  say('error', { code: error.code, message: error.message })
}
