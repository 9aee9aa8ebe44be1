// The last line of .ci/run, from vitest's JSON report. A file that failed as a whole (it could not be loaded,
// or its set-up failed) and a report that was never written count as one failure each. Exit status 1 then.
// Above it are named the tests that passed only when they were run again, with what had failed.

import { existsSync, readFileSync } from 'node:fs'
import process from 'node:process'

/** @typedef {{ status: string, fullName: string, failureMessages: string[] }} Test */
/** @typedef {{ status: string, assertionResults: Test[] }} TestFile */

const [path = ''] = process.argv.slice(2)
/** @type {TestFile[]} */
const files = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).testResults : []
const tests = files.flatMap(file => file.assertionResults)
const passed = tests.filter(hasPassed).length
const failedTests = tests.filter(hasFailed).length
const failedFiles = files.filter(file => hasFailed(file) && !file.assertionResults.some(hasFailed)).length
const failed = failedTests + failedFiles + (files.length === 0 ? 1 : 0)
const skipped = tests.length - passed - failedTests
const again = tests.filter(test => hasPassed(test) && test.failureMessages.length > 0)

if (again.length > 0) process.stdout.write(`${again.length} passed in a second run only:\n`)
for (const { fullName, failureMessages } of again)
  process.stdout.write(`  ${fullName.trim()}: ${failureMessages[0]?.split('\n', 1)[0]}\n`)
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
process.exitCode = failed > 0 ? 1 : 0

/** @param {{ status: string }} result */
function hasPassed({ status }) {
  return status === 'passed'
}

/** @param {{ status: string }} result */
function hasFailed({ status }) {
  return status === 'failed'
}
