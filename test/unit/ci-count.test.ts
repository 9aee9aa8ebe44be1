/** The last lines of .ci/run: what counts as a failure, and what is not hidden although it passed. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serval-count-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const passed = { status: 'passed', fullName: 'a test', failureMessages: [] }
const failed = { status: 'failed', fullName: 'a wrong one', failureMessages: ['AssertionError'] }
const skipped = { status: 'skipped', fullName: 'one for root', failureMessages: [] }
const second = {
  status: 'passed',
  fullName: ' a slow one',
  failureMessages: ['Error: nothing came\n    at slow.test.ts:1'],
}

function count(...files: { status: string; assertionResults: object[] }[]) {
  const report = join(folder, 'tests.json')
  if (files.length > 0) writeFileSync(report, JSON.stringify({ testResults: files }))
  const { status, stdout } = spawnSync(process.execPath, ['.ci/count.js', report], { encoding: 'utf8' })
  return { status, lines: stdout.trimEnd().split('\n') }
}

it('counts tests that passed, failed and were skipped, and fails where one failed', () => {
  expect(count({ status: 'passed', assertionResults: [passed, passed, skipped] })).toEqual({
    status: 0,
    lines: ['2 passed, 0 failed, 1 skipped'],
  })
  expect(count({ status: 'failed', assertionResults: [passed, failed] })).toEqual({
    status: 1,
    lines: ['1 passed, 1 failed, 0 skipped'],
  })
})

it('counts a file that failed as a whole, and a report that was never written', () => {
  expect(count({ status: 'failed', assertionResults: [] })).toMatchObject({ status: 1 })
  expect(count()).toEqual({ status: 1, lines: ['0 passed, 1 failed, 0 skipped'] })
})

it('names what passed in a second run only, and says what had failed', () => {
  expect(count({ status: 'passed', assertionResults: [passed, second] })).toEqual({
    status: 0,
    lines: [
      '1 passed in a second run only:',
      '  a slow one: Error: nothing came',
      '2 passed, 0 failed, 0 skipped',
    ],
  })
})
