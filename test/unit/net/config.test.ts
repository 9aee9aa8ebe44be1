import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConfigOptions, loadConfig } from '../../../src/net/config.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'serval-config-'))
})
afterEach(() => rmSync(cwd, { recursive: true }))

const load = (env: Record<string, string> = {}, options: ConfigOptions = {}) =>
  loadConfig(options, { env, cwd })

function writeConfig(values: unknown, name = 'serval.json'): string {
  const path = join(cwd, name)
  writeFileSync(path, typeof values === 'string' ? values : JSON.stringify(values))
  return path
}

describe('the configuration', () => {
  it('has defaults for everything', () => {
    expect(load({ XDG_RUNTIME_DIR: '/run/user/7' })).toEqual({
      router: [],
      controller: undefined,
      api: 'http://127.0.0.1:54327',
      bind: [],
      security: 'plain',
      profile: 'native',
      congestion: 'cubic',
      runtimeDir: '/run/user/7/serval',
      log: 'warn',
      offload: true,
      busyPoll: 'auto',
    })
    expect(load().runtimeDir).toBe(join(tmpdir(), `serval-${process.getuid?.()}`))
  })

  it('lets the file give way to variables, and these to options', () => {
    writeConfig({ log: 'error', profile: 'native', router: '10.0.0.1' })
    expect(load().log).toBe('error')
    expect(load({ SERVAL_LOG: 'info' }).log).toBe('info')
    expect(load({ SERVAL_LOG: 'info' }, { log: 'debug' }).log).toBe('debug')
    expect(load({ SERVAL_LOG: '' }, { log: undefined }).log).toBe('error')
  })

  it('reads the file that SERVAL_CONFIG names, and no other', () => {
    writeConfig({ log: 'error' })
    writeConfig({ log: 'trace' }, 'other.json')
    expect(load({ SERVAL_CONFIG: 'other.json' }).log).toBe('trace')
    expect(() => load({ SERVAL_CONFIG: 'missing.json' })).toThrow(/SERVAL_CONFIG.*missing\.json \(ENOENT\)/)
  })

  it('reads lists of addresses, with IPv6 in brackets and default ports', () => {
    const config = load({
      SERVAL_ROUTER: '10.0.0.1, [fd00::1]:7, router.lan:8, fd00::2',
      SERVAL_CONTROLLER: 'control.lan',
      SERVAL_BIND: '127.0.0.1:0,[::1]:9,fe80::1%eth0',
    })
    expect(config.router).toEqual([
      { address: '10.0.0.1', port: 54325 },
      { address: 'fd00::1', port: 7 },
      { address: 'router.lan', port: 8 },
      { address: 'fd00::2', port: 54325 },
    ])
    expect(config.controller).toEqual({ address: 'control.lan', port: 54326 })
    expect(config.bind).toEqual([
      { address: '127.0.0.1', port: 0 },
      { address: '::1', port: 9 },
      { address: 'fe80::1%eth0', port: undefined },
    ])
    expect(load({ SERVAL_CONTROLLER: 'unix:/run/c.sock' }).controller).toEqual({ path: '/run/c.sock' })
  })

  it('names a key that it does not know, its file, and those that there are', () => {
    const path = writeConfig({ routr: '10.0.0.1' })
    expect(() => load()).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining('"routr"') }),
    )
    expect(() => load()).toThrow(path)
    expect(() => load()).toThrow(/router, controller, api, bind/)
  })

  it('names a file that is no JSON object', () => {
    for (const text of ['{ "log": ', '[]', '"log"']) {
      const path = writeConfig(text)
      expect(() => load()).toThrow(path)
      expect(() => load()).toThrow(/JSON/)
    }
  })
})

/** What a key accepts and what not, as it stands in a file. */
const cases: [keyof ConfigOptions, readonly unknown[], readonly unknown[]][] = [
  [
    'router',
    ['10.0.0.1', '[fd00::1]:7', 'a.example:1,b', ['10.0.0.1', 'b:2']],
    ['10.0.0.300', '', 'a:0', 'a:b', 7],
  ],
  ['controller', ['10.0.0.1:5', 'unix:/tmp/x'], ['unix:', '10.0.0.1:99999', '', 5]],
  ['api', ['http://127.0.0.1:1', 'https://c.example/serval'], ['127.0.0.1:1', 'ftp://x', '', 5]],
  ['bind', ['10.0.0.1', '10.0.0.1:0', ['::1']], ['eth0', '10.0.0.1:x', 'host.example', 1]],
  ['security', ['plain'], ['secure', 'none', 1]],
  ['profile', ['native', '2014'], ['2013', 2014]],
  ['congestion', ['cubic', 'bbr'], ['reno', 3]],
  ['runtimeDir', ['/run/x', 'here'], ['', 5]],
  ['log', ['silent', 'trace'], ['loud', 5]],
  ['receiveMemory', [1 << 20, '512m', '2G', '1048576'], ['512 MB', '1023k', 'much', 1000]],
  ['busyPoll', ['auto', 0, 100, 1000], [1001, -1, 0.5, 'long']],
  ['offload', [true, false, 'dgram'], ['yes', 2]],
]

describe.each(cases)('the key %s', (key, accepted, refused) => {
  const variable = `SERVAL_${key.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`

  it('takes what it accepts', () => {
    for (const value of accepted) {
      writeConfig({ [key]: value })
      expect(load()[key]).toBeDefined()
    }
  })

  it('refuses the rest, naming the value, where it stands, and what is accepted', () => {
    for (const value of refused) {
      const path = writeConfig({ [key]: value })
      const message = expect.stringMatching(/ must be .{8}/)
      expect(() => load()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message }))
      expect(() => load()).toThrow(`${key} of ${path}`)
      expect(() => load()).toThrow(JSON.stringify(value))
      if (typeof value !== 'string' || value === '') continue
      rmSync(path)
      expect(() => load({ [variable]: value })).toThrow(variable)
    }
  })
})

describe('the schema of serval.json', () => {
  const schema = JSON.parse(readFileSync('src/schemas/config.schema.json', 'utf8'))
  const validate = new Ajv({ strict: true }).compile(schema)

  it('has the keys that the configuration has', () => {
    const { $schema: _, ...properties } = schema.properties
    expect(Object.keys(properties)).toEqual(Object.keys(load()))
  })

  it.each(cases)(
    'accepts what is accepted for %s, and refuses what is of another kind',
    (key, accepted, refused) => {
      for (const value of accepted) expect(validate({ [key]: value }), JSON.stringify(value)).toBe(true)
      for (const value of refused) {
        if (typeof value === 'number') expect(validate({ [key]: value }), String(value)).toBe(false)
      }
    },
  )

  it('refuses unknown keys', () => {
    expect(validate({ routr: 'x' })).toBe(false)
  })
})
