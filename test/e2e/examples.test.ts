/** The examples, each run as its header says. Runs what `npm run build` made. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let directory: string
const children: ChildProcess[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'serval-examples-'))
})
afterEach(async () => {
  const running = children.splice(0).filter(child => child.exitCode === null && child.signalCode === null)
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(running.map(child => once(child, 'close')))
  rmSync(directory, { recursive: true })
})

describe('the examples', () => {
  it('hello.js is the first program of README.md, and says hello', async () => {
    const code = readFileSync('examples/hello.js', 'utf8').replace(/^\/\/.*\n/, '')
    expect(/^```js\n(.*?)^```$/ms.exec(readFileSync('README.md', 'utf8'))?.[1]).toBe(code)
    const hello = run('hello.js')
    expect(await hello.output()).toMatch(/^connected to 127\.0\.0\.1:\d+\nhello from hello\.example\n$/)
  })

  it('clock.js asks for the time by datagram, and is told', async () => {
    expect(await run('clock.js').output()).toBe('clock.example says: it is noon\n')
  })

  it('file-client.js gets a file of file-server.js, goes on elsewhere when the server dies', async () => {
    const content = randomBytes(64 << 20)
    mkdirSync(join(directory, 'files'))
    writeFileSync(join(directory, 'files/large.bin'), content)
    const first = run('file-server.js', join(directory, 'files'))
    await first.says(/^serving/)
    const client = run('file-client.js', 'large.bin')
    const sum = createHash('sha256')
    let bytes = 0
    client.child.stdout?.on('data', (chunk: Buffer) => {
      if (bytes === 0) {
        // Both serve for a moment; the first dies in mid-download.
        const second = run('file-server.js', join(directory, 'files'))
        client.child.stdout?.pause()
        void second.says(/^serving/).then(() => {
          first.child.kill('SIGKILL')
          client.child.stdout?.resume()
        })
      }
      bytes += chunk.length
      sum.update(chunk)
    })
    const report = await client.errors()
    expect(report).toContain(createHash('sha256').update(content).digest('hex'))
    expect(report).toMatch(/^attempt 1: /)
    expect([bytes, sum.digest('hex')]).toEqual([
      content.length,
      createHash('sha256').update(content).digest('hex'),
    ])
    expect(client.child.exitCode).toBe(0)
  })

  it('file-client.js says what is wrong when there is no such file', async () => {
    const server = run('file-server.js', directory)
    await server.says(/^serving/)
    const client = run('file-client.js', 'nothing.bin')
    expect(await client.errors()).toContain('files.example answers 404 for nothing.bin')
    expect(client.child.exitCode).toBe(1)
  })

  it('chat-client.js moves, and the conversation goes on', async () => {
    const server = run('chat-server.js')
    await server.says(/^chat room open/)
    const ann = run('chat-client.js', 'ann')
    const bob = run('chat-client.js', 'bob')
    await ann.says(/^connected, from 127\.0\.0\.1$/)
    // Whoever has been welcomed is told what others say.
    for (const member of [ann, bob]) await member.says(/^welcome, [12] in the room$/)
    ann.say('hello')
    await bob.says(/^ann: hello$/)
    ann.say('/move 127.0.0.2')
    await ann.says(/^moved, now at 127\.0\.0\.2$/)
    bob.say('still there?')
    await ann.says(/^bob: still there\?$/)
    ann.say('yes')
    await bob.says(/^ann: yes$/)
    ann.say('/quit')
    await once(ann.child, 'close')
    expect(ann.child.exitCode).toBe(0)
  })

  it.each(['file-server.js', 'file-client.js', 'chat-client.js'])('%s says how it is used', async example => {
    const program = run(example)
    expect(await program.errors()).toMatch(`usage: node ${example} `)
    expect(program.child.exitCode).toBe(2)
  })
})

/** Starts an example; the programs of one test meet in a runtime directory of their own. */
function run(example: string, ...args: string[]) {
  const child = spawn(process.execPath, [`examples/${example}`, ...args], {
    env: {
      ...process.env,
      SERVAL_RUNTIME_DIR: join(directory, 'runtime'),
      SERVAL_BIND: '127.0.0.1,127.0.0.2',
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  children.push(child)
  const closed = once(child, 'close')
  const lines: string[] = []
  const isText = !['file-client.js'].includes(example)
  const reader = isText ? createInterface({ input: child.stdout }) : undefined
  reader?.on('line', line => lines.push(line))
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    complaints += text
  })
  return {
    child,
    say: (line: string) => child.stdin.write(`${line}\n`),
    /** Waits for a line. */
    says: (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!lines.some(line => pattern.test(line))) return
          reader?.off('line', look)
          resolve()
        }
        reader?.on('line', look)
        closed.then(() =>
          reject(new Error(`${example} ended without ${pattern}: ${lines.join('\n')}${complaints}`)),
        )
        look()
      }),
    /** All it prints, when it has ended. */
    output: async () => {
      await closed
      return `${lines.join('\n')}\n`
    },
    /** All that it prints on stderr, when it has ended. */
    errors: async () => {
      if (isText) child.stdout.resume()
      await closed
      return complaints
    },
  }
}
