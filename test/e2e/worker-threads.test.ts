/** Stacks in threads that end in whatever way, in the midst of what comes: the process goes on. Runs what `npm run build` made. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Stacks } from '../support/net/stacks.ts'

let stacks: Stacks
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(() => stacks.close())

async function run(how: string): Promise<{ exit: unknown; said: readonly string[] }> {
  const child = spawn(process.execPath, ['test/e2e/programs/threads.js', how], {
    env: { ...process.env, SERVAL_RUNTIME_DIR: stacks.runtimeDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    said += chunk
  })
  const [code, signal] = await once(child, 'close')
  return { exit: code ?? signal, said: said.trim().split('\n') }
}

describe('a thread with a stack', () => {
  it.each([
    { how: 'terminated', code: '1' },
    { how: 'exit', code: '3' },
    { how: 'fail', code: '1' },
  ])('harms nobody when it ends in the midst of a transfer: $how', async ({ how, code }) => {
    expect(await run(how)).toEqual({ exit: 0, said: [code, code, code, code, code, 'goes on'] })
  })
})

describe('a process with a stack', () => {
  it('ends well in the midst of what comes, when it has nothing to wait for', async () => {
    expect(await run('end')).toEqual({ exit: 0, said: ['ends'] })
  })
})
