// `npm run build` (and so `npm ci`, through prepare): from the sources to dist/.
//
//   1. control.proto -> src/control/generated/control.{js,d.ts}   when the .proto is newer
//   2. tsc -p tsconfig.build.json, tsconfig.types.json            src, controller, bench -> dist/, code and declarations
//   3. rolldown (bundle.js)                                       src -> dist/lib, what package.json gives to programs
//   4. copy what tsc does not know (schemas, pages, generated code), remove what lost its source
//
// dist/ is mended in place rather than emptied first, so that a build does not pull the floor from under a
// program that runs from it; tsc compiles only what has changed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bundle } from './bundle.js'
import { generateControl } from './control.js'

const ROOMS = ['src', 'controller', 'bench']
const EXECUTABLE = 'dist/lib/serval.js'

await generateControl()
const compiling = ['tsconfig.build.json', 'tsconfig.types.json'].map(compile)
const compiled = await Promise.all([...compiling, bundle().then(() => 0)])
for (const room of ROOMS) mirrorAssets(room)
for (const room of [...ROOMS, 'test']) removeOrphans(room) // bench uses the simulator of test/support
if (existsSync(EXECUTABLE)) chmodSync(EXECUTABLE, 0o755)
process.exit(Math.max(...compiled))

/** @param {string} config @returns {Promise<number>} Exit status of tsc, whose complaints go straight to the terminal. */
async function compile(config) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const [status] = await once(spawn(process.execPath, [tsc, '-p', config], { stdio: 'inherit' }), 'exit')
  return status ?? 1
}

/** @param {string} room Copies every file of it that is neither TypeScript nor prose. */
function mirrorAssets(room) {
  for (const file of filesUnder(room)) {
    if (/(?<!\.d)\.ts$|\.md$|\.proto$/.test(file)) continue
    mkdirSync(join('dist', dirname(file)), { recursive: true })
    copyFileSync(file, join('dist', file))
  }
}

/** @param {string} room Deletes every file of dist/ that no source accounts for, as after a rename. */
function removeOrphans(room) {
  for (const file of filesUnder(join('dist', room))) {
    const source = file.slice('dist/'.length)
    const stem = source.replace(/\.(d\.ts|js)(\.map)?$/, '')
    if (!existsSync(source) && !existsSync(`${stem}.ts`)) rmSync(file)
  }
}

/** @param {string} folder @returns {string[]} Every file below it, as paths from the repository's root. */
function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}
