/** Stacks in processes of their own: when they end, and what of them is left. Runs what `npm run build` made. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startController } from '../../controller/index.ts'
import { FlowSignal } from '../../src/flow/states.ts'
import { accepting, echo, FlowEnd } from '../support/net/flow-end.ts'
import { Stacks } from '../support/net/stacks.ts'

let stacks: Stacks
const children: ChildProcess[] = []
beforeEach(() => {
  stacks = new Stacks()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await stacks.close()
})

/** Runs an ES module with `stack` open; what it prints comes line by line. */
function run(code: string) {
  const module = pathToFileURL('dist/src/net/stack.js')
  const program = `const { openStack } = await import('${module}'); const stack = openStack(); ${code}`
  const env = { ...process.env, SERVAL_RUNTIME_DIR: stacks.runtimeDir }
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  child.stdout.setEncoding('utf8')
  const exited = once(child, 'exit').then(([code, signal]) => code ?? signal)
  return { child, exited, says: async () => String((await once(child.stdout, 'data'))[0]).trim() }
}

/** Echoes, and exits in the middle when it is told to. */
const SERVE = `
  const [EXIT, CRASH, FLOOD] = Buffer.from('!?#')
  const listener = await stack.listen('web.example', {}, flow => ({
    onSignals() {
      for (let chunk = flow.read(); chunk; chunk = flow.read()) {
        if (chunk[0] === EXIT) process.exit(7)
        flow.write(chunk[0] === FLOOD ? new Uint8Array(1 << 20) : chunk)
        if (chunk[0] === CRASH || chunk[0] === FLOOD) process.exit(8)
      }
    },
  }))
  stack.ref()
  console.log('ready')
`

describe('a process with a stack', () => {
  it('ends by itself when nobody waits for anything', async () => {
    expect(await run('await stack.ready').exited).toBe(0)
    expect(readdirSync(stacks.runtimeDir)).toEqual([])
  })

  it('ends though its flows go on, where nobody waits for them', async () => {
    const code = `
      const echo = { onSignals(flow, signals) {
        if (signals & 1 && flow.role === 'client') flow.write(new Uint8Array(1))
        for (let chunk = flow.read(); chunk; chunk = flow.read()) flow.write(chunk)
        stack.wake()
      } }
      await stack.listen('echo.example', {}, () => echo)
      stack.connect('echo.example', {}, echo)
      setTimeout(() => console.log(stack.flows()[0].bytesIn > 9 ? 'spoken' : 'silent'), 300)
    `
    const { exited, says } = run(code)
    expect(await says()).toBe('spoken')
    expect(await exited).toBe(0)
  })

  it('ends when peers have all that was written, though the end had begun once before', async () => {
    const bytes = 24 << 20
    const received = new Promise<number>(resolve => {
      void accepting(stacks.open(), 'sink.example', end => {
        end.keeps = false
        void end.seen(FlowSignal.end).then(() => resolve(end.bytes))
      }).then(() =>
        run(`
          const flow = stack.connect('sink.example', {}, { onSignals(flow, signals) {
            if (signals & 1) stack.unref()
          } })
          stack.ref()
          process.once('beforeExit', () => setTimeout(() => {
            flow.write(new Uint8Array(${bytes}))
            stack.wake()
          }, 300))
        `),
      )
    })
    expect(await received).toBe(bytes)
  })

  it('lives as long as somebody waits', async () => {
    const { child, exited, says } = run(SERVE)
    await says()
    const end = FlowEnd.connect(stacks.open(), 'web.example')
    end.write('there?')
    await end.until(() => end.text === 'there?')
    child.kill()
    expect(await exited).toBe('SIGTERM')
  })

  it('does not end before what it has written is at its peer', async () => {
    const bytes = 24 << 20
    const accepted = new Promise<FlowEnd>(resolve => {
      void accepting(stacks.open(), 'sink.example', end => {
        end.keeps = false
        end.paused = true
        resolve(end)
      }).then(() =>
        run(`
          const flow = stack.connect('sink.example', {}, { onSignals(flow, signals) {
            if ((signals & 1) === 0) return
            flow.write(new Uint8Array(${bytes}))
            stack.letGo(flow)
            stack.unref()
          } })
          stack.ref()
        `),
      )
    })
    const end = await accepted
    // All that a reader is sent who has not read yet, or nearly.
    await end.until(() => end.flow.readableBytes > 128 << 10)
    expect(children[0]?.exitCode).toBeNull()
    end.resume()
    await end.seen(FlowSignal.end)
    expect(end.bytes).toBe(bytes)
    end.end()
    await once(children[0]!, 'exit')
    expect(children[0]?.exitCode).toBe(0)
  })

  it('ends its flows in order when it exits with all said', async () => {
    const { exited, says } = run(SERVE)
    await says()
    const end = FlowEnd.connect(stacks.open(), 'web.example')
    end.write('!')
    expect(await exited).toBe(7)
    await end.seen(FlowSignal.end)
    expect(readdirSync(stacks.runtimeDir)).toHaveLength(1)
  })

  it('says in the last moment what fits into one flight, and ends behind it', async () => {
    const { exited, says } = run(SERVE)
    await says()
    const end = FlowEnd.connect(stacks.open(), 'web.example')
    end.write('?')
    expect(await exited).toBe(8)
    await end.seen(FlowSignal.end)
    expect(end.text).toBe('?')
  })

  it('resets them when it exits with more unsaid', async () => {
    const { exited, says } = run(SERVE)
    await says()
    const end = FlowEnd.connect(stacks.open(), 'web.example')
    end.write('#')
    expect(await exited).toBe(8)
    expect(await end.closed()).toMatchObject({ code: 'ECONNRESET' })
  })

  it('is not asked for names any more once it was killed', async () => {
    const { child, exited, says } = run(SERVE)
    await says()
    child.kill('SIGKILL')
    await exited
    expect(readdirSync(stacks.runtimeDir)).toHaveLength(1)
    const error = await FlowEnd.connect(stacks.open(), 'web.example').closed()
    expect(error).toMatchObject({ code: 'ENOROUTER' })
    expect(readdirSync(stacks.runtimeDir)).toHaveLength(1)
  })

  it('is missed by peers that only wait when it was killed, where there is a controller', async () => {
    const runtimeDir = { path: stacks.runtimeDir }
    stacks.add(await startController({ control: false, api: false, runtimeDir }))
    const { child, says } = run(SERVE)
    await says()
    const client = stacks.open()
    const end = FlowEnd.connect(client, 'web.example')
    end.write('there?')
    await end.until(() => end.text === 'there?')
    child.kill('SIGKILL')
    expect(await end.closed()).toMatchObject({ code: 'ECONNRESET' })
    expect(await FlowEnd.connect(client, 'web.example').closed()).toMatchObject({ code: 'ENOSERVICE' })
  })

  it('has a port to itself that others begin to want at the same moment, until it is killed', async () => {
    const TAKE = `stack.ref(); await stack.listen({ port: 8080 }, {}, () => ({ onSignals() {} }))
      .then(() => console.log('has it'), error => console.log(error.code))`
    for (let i = 0; i < 3; i++) {
      const all = Array.from({ length: 4 }, () => run(TAKE))
      const outcomes = await Promise.all(all.map(({ says }) => says()))
      expect(outcomes.toSorted()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'EADDRINUSE', 'has it'])
      for (const { child } of all) child.kill('SIGKILL')
      await Promise.all(all.map(({ exited }) => exited))
    }
  })

  it('has a port to itself, and the other is told its pid', async () => {
    const { child, says } = run(`await stack.listen({ port: 8080 }, {}, () => ({ onSignals() {} }));
      stack.ref(); console.log('ready')`)
    await says()
    await expect(accepting(stacks.open(), { port: 8080 }, echo)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining(`pid ${child.pid}`),
    })
  })
})
