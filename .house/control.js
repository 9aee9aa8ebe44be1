// The control protocol's codec, generated from its .proto. Not committed: build, check and test make it
// when it is missing or older than what it is made from.

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import pbjs from 'protobufjs-cli/pbjs.js'

const SOURCE = 'src/control/control.proto'
const TARGET = 'src/control/generated/control.js'

/** Writes control.js and control.d.ts (an ES module; 64-bit fields are numbers, exact to 2^53). */
export async function generateControl() {
  if (!existsSync(SOURCE) || isNewer(TARGET, SOURCE)) return
  mkdirSync('src/control/generated', { recursive: true })
  const form = ['--target', 'static-module', '--wrap', 'esm', '--dts', '--force-number']
  const without = ['--no-service', '--no-typeurl', '--no-delimited']
  await promisify(pbjs.main)([...form, ...without, '--out', TARGET, SOURCE])
}

/** @param {string} target @param {string} source */
function isNewer(target, source) {
  return existsSync(target) && statSync(target).mtimeMs >= statSync(source).mtimeMs
}
