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
const outcomes = gates.map(({ name, run }) => ({ name, outcome: outcomeOf(run) }))
for (const { name, outcome } of outcomes) {
  const { held, output, seconds } = await outcome
  process.stdout.write(held ? `ok    ${name} (${seconds.toFixed(1)} s)\n` : `FAIL  ${name}\n${output}\n`)
  if (!held) process.exitCode = 1
}

/** @param {string} run @returns {Promise<{ held: boolean, output: string, seconds: number }>} */
function outcomeOf(run) {
  const startedAt = performance.now()
  const [tool, ...args] = run.split(' ')
  const child = spawn(`node_modules/.bin/${tool}`, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => {
      resolve({ held: status === 0, output, seconds: (performance.now() - startedAt) / 1000 })
    })
  })
}
