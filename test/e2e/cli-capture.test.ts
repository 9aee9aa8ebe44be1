/** What a process sends and receives, captured by itself, read again by `serval dump`. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

describe('a capture', () => {
  it('of a ping holds its whole connection, packet by packet, in order', async () => {
    await world.start(['perf', 'server', 'speed.example'])
    const ping = await world.run(['ping', '-c', '1', 'speed.example', '--pcap', 'ping.pcap'])
    expect(ping.status).toBe(0)
    const { status, stdout, stderr } = await world.run(['dump', 'ping.pcap'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const kinds = stdout
      .trimEnd()
      .split('\n')
      .map(line => /[0-9a-f]{8}>[0-9a-f]{8} ([A-Z+]+|seq)/.exec(line)?.[1])
    expect(kinds.slice(0, 3)).toEqual(['SYN', 'SYN+ACK', 'ACK'])
    expect(stdout).toMatch(
      /^0\.000000 \S+:\d+ > \S+:\d+ [0-9a-f]{8}>00000000 SYN verno \d+ service \w+\.\. key plain$/m,
    )
  })

  it('goes to a file for each process, where %p stands for its number', async () => {
    const env = { SERVAL_PCAP: 'at-%p.pcap' }
    await world.start(['perf', 'server', 'speed.example'], { env })
    await world.run(['ping', '-c', '1', 'speed.example'], { env })
    const files = readdirSync(world.directory).filter(name => /^at-\d+\.pcap$/.test(name))
    expect(files).toHaveLength(2)
    for (const file of files) expect((await world.run(['dump', file])).stdout).toContain(' SYN verno ')
  })

  it('with packets of others counts them', async () => {
    const packet = Buffer.from(
      'a1b2c3d4000200040000000000000000000400000000006500000001000000020000000300000003aabbcc',
      'hex',
    )
    writeFileSync(join(world.directory, 'others.pcap'), packet)
    const { stdout, stderr, status } = await world.run(['dump', 'others.pcap'])
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: '',
      stderr: "serval: 1 of 1 packets are not Serval's\n",
    })
  })

  it('is printed while it grows, filtered, until so many are printed', async () => {
    await world.start(['perf', 'server', 'speed.example', '--pcap', 'live.pcap'])
    const dump = world.launch([
      'dump',
      '-f',
      '-c',
      '2',
      '--name',
      'speed.example',
      '--type',
      'SYN',
      'live.pcap',
    ])
    await world.run(['ping', '-c', '1', 'speed.example'])
    await dump.line(line => line.includes(' SYN verno '))
    await world.run(['ping', '-c', '1', 'speed.example'])
    const { status, stdout, stderr } = await dump.ended
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^(\S+ \S+ > \S+ [0-9a-f]{8}>00000000 SYN verno .*\n){2}$/)
  })

  it('that is followed ends with status 0 when it is told to', async () => {
    await world.start(['perf', 'server', 'speed.example', '--pcap', 'live.pcap'])
    const dump = world.launch(['dump', '-f', 'live.pcap'])
    await world.run(['ping', '-c', '1', 'speed.example'])
    await dump.line(line => line.includes(' SYN '))
    expect(await dump.stop('SIGINT')).toMatchObject({ status: 0, stderr: '' })
  })

  it('need not be made to see what passes a running program', async () => {
    const server = await world.start(['perf', 'server', 'speed.example'])
    const wanted = ['--name', 'speed.example', '--type', 'SYN', '-c', '1']
    const dump = world.launch(['dump', '--of', String(server.pid), ...wanted])
    let isSeen = false
    void dump.ended.then(() => {
      isSeen = true
    })
    do await world.run(['ping', '-c', '1', 'speed.example'])
    while (!isSeen)
    const { status, stdout, stderr } = await dump.ended
    expect(status).toBe(0)
    expect(stdout).toMatch(/^0\.000000 \S+ > \S+ [0-9a-f]{8}>00000000 SYN verno .*\n$/)
    expect(stderr).toBe(`serval: watching serval.js (pid ${server.pid})\n`)
  })

  it('of a program that does not run is a failure that says so', async () => {
    expect(await world.run(['dump', '--of', '9999999'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^serval: no process 9999999 of this user can be asked/),
    })
    expect(await world.run(['dump', '--of', '9999999', 'some.pcap'])).toMatchObject({
      status: 2,
      stderr: 'serval: --of is for what passes live: give it, or a file\n',
    })
  })

  it('that is none, or cannot be had, is a usage error that names it', async () => {
    writeFileSync(join(world.directory, 'text'), 'x'.repeat(100))
    expect(await world.run(['dump', 'text'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^serval: text: it is no pcap file/),
    })
    expect(await world.run(['dump', 'absent'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^serval: absent cannot be read: ENOENT/),
    })
    const unwritable = await world.run(['ping', '-c', '1', 'web.example', '--pcap', 'no/folder.pcap'])
    expect(unwritable).toMatchObject({ status: 2, stderr: expect.stringMatching(/pcap.*no\/folder\.pcap/) })
    expect(await world.run(['controller', '--pcap', 'none.pcap'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^serval: --pcap none\.pcap: .* --profile 2014/),
    })
  })
})
