// `npm run check`: the house rules, in one command. Says one line a gate when it holds, and what the tool
// found when it does not. Exit status 1 if any gate fails.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { generateControl } from './control.js'

const rooms = ['src', 'controller', 'examples', 'bench', 'test'].filter(room => existsSync(room))

const gates = [
  { name: 'format, lint', run: 'biome check --error-on-warnings --max-diagnostics=none' },
  { name: 'imports', run: `depcruise --config .house/imports.js --output-type err ${rooms.join(' ')}` },
  { name: 'types', run: 'tsc --project . --noEmit --pretty false' },
]

await generateControl()
const held = await Promise.all(gates.map(passes))
process.exitCode = held.every(Boolean) ? 0 : 1

/** @param {{ name: string, run: string }} gate @returns {Promise<boolean>} Whether it holds. */
async function passes({ name, run }) {
  const startedAt = performance.now()
  const { status, output } = await outcome(run)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stdout.write(status === 0 ? `ok    ${name} (${seconds} s)\n` : `FAIL  ${name}\n${output}\n`)
  return status === 0
}

/** @param {string} run @returns {Promise<{ status: number | null, output: string }>} */
function outcome(run) {
  const [tool, ...args] = run.split(' ')
  const child = spawn(`node_modules/.bin/${tool}`, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => resolve({ status, output }))
  })
}
