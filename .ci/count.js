// The last line of .ci/run, from vitest's JSON report. A file that could not even be loaded counts as a
// failure. Exit status 1 when something failed, or when there is nothing to count.

import { readFileSync } from 'node:fs'
import process from 'node:process'

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
/** @type {{ status: string, assertionResults: unknown[] }[]} */
const files = report.testResults
const unloaded = files.filter(file => file.status === 'failed' && file.assertionResults.length === 0).length
const failed = report.numFailedTests + unloaded
const skipped = report.numPendingTests + report.numTodoTests

process.stdout.write(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`)
process.exitCode = failed > 0 || report.numPassedTests === 0 ? 1 : 0
