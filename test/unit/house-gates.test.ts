/**
 * The house rules are only worth what `npm run check` catches. This plants one violation of each import arrow
 * and of each ban, in a copy of the repository's settings, and sees the gate name every one of them; what is
 * allowed stands beside it, and is not named. A tree that holds only what is allowed passes.
 */

import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const cores = ['id', 'wire', 'security', 'transport', 'flow', 'service', 'sal', 'router', 'control'] as const
const coreRooms = cores.map(core => `src/${core}`)

/** Who may import whom, written out in full: the gate has the arrows and derives this, so the two can differ. */
const mayImport: Record<string, readonly string[]> = {
  'src/id': [],
  'src/wire': ['src/id'],
  'src/security': ['src/wire', 'src/id'],
  'src/transport': ['src/wire', 'src/id'],
  'src/flow': ['src/transport', 'src/security', 'src/wire', 'src/id'],
  'src/service': ['src/wire', 'src/id'],
  'src/sal': ['src/flow', 'src/service', 'src/transport', 'src/security', 'src/wire', 'src/id'],
  'src/router': ['src/service', 'src/wire', 'src/id'],
  'src/control': ['src/service', 'src/wire', 'src/id'],
  'src/net': coreRooms,
  'src/sockets': [...coreRooms, 'src/net'],
  'src/bin': [...coreRooms, 'src/net', 'src/sockets', 'controller'],
  controller: ['src/control', 'src/service', 'src/wire', 'src/id'],
  examples: [],
  bench: [...coreRooms, 'src/net', 'src/sockets', 'src/bin', 'controller', 'test/support'],
  'test/support': [...coreRooms, 'src/net', 'src/sockets', 'src/bin', 'controller', 'examples', 'bench'],
}
const rooms = Object.keys(mayImport)

const vitestImport = "import { it } from 'vitest'"

/** Code that no core may hold, by what is wrong with it, and the rule that says so. */
const bansInCores: Record<string, readonly [rule: string, code: string]> = {
  'reads the date': ['noRestrictedGlobals', 'export const now = () => Date.now()'],
  'takes a Date': ['noRestrictedGlobals', 'export const at = (when: Date) => when'],
  'reads the clock': ['noRestrictedGlobals', 'export const now = () => performance.now()'],
  'sets a timeout': ['noRestrictedGlobals', 'export const later = (f: () => void) => setTimeout(f, 1)'],
  'sets an interval': ['noRestrictedGlobals', 'export const often = (f: () => void) => setInterval(f, 1)'],
  'sets an immediate': ['noRestrictedGlobals', 'export const later = (f: () => void) => setImmediate(f)'],
  'queues a microtask': ['noRestrictedGlobals', 'export const later = (f: () => void) => queueMicrotask(f)'],
  'defers to the next tick': ['noRestrictedGlobals', 'export const later = process.nextTick'],
  'rolls its own dice': ['noJsRestrictedProperties', 'export const roll = () => Math.random()'],
  'takes the dice along': ['noJsRestrictedProperties', 'export const { random } = Math'],
  'asks webcrypto': ['noRestrictedGlobals', 'export const id = () => crypto.randomUUID()'],
  'has an async function': ['plugin', 'export async function later() {}'],
  'has an async arrow': ['plugin', 'export const later = async () => {}'],
  'has an async method': ['plugin', 'export class Later {\n  static async later() {}\n}'],
  'has an async generator': ['plugin', 'export const later = {\n  async *later() {},\n}'],
  'awaits at the top': ['plugin', 'export const now = await 1'],
  'awaits in a loop': ['plugin', 'for await (const one of [1]) one.toFixed()'],
  'returns a promise': ['noRestrictedGlobals', 'export const later = () => Promise.resolve(1)'],
  'names a promise': ['noRestrictedGlobals', 'export type Later = Promise<number>'],
  'emits events': [
    'from outside',
    "import { EventEmitter } from 'node:events'\n\nexport class A extends EventEmitter {}",
  ],
  'is an event target': ['noRestrictedGlobals', 'export class Door extends EventTarget {}'],
  'reads files': [
    'from outside',
    "import { readFileSync } from 'node:fs'\n\nexport const read = readFileSync",
  ],
  'reads files by the old name': [
    'from outside',
    "import { readFileSync } from 'fs'\n\nexport const read = readFileSync",
  ],
  'loads a module late': ['from outside', "export const dgram = () => import('node:dgram')"],
  'imports a package': ['from outside', "import { pino } from 'pino'\n\nexport const log = pino"],
  'holds a Buffer': ['noRestrictedGlobals', 'export const bytes = Buffer.alloc(1)'],
  'takes a Buffer': ['noRestrictedGlobals', 'export const size = (bytes: Buffer) => bytes.length'],
  'reads the environment': ['noRestrictedGlobals', 'export const home = () => process.env'],
  prints: ['noRestrictedGlobals', "export const say = () => console.log('hello')"],
  'hides behind globalThis': ['noRestrictedGlobals', 'export const now = () => globalThis.Date.now()'],
}

/** Bans beyond the cores, each with the file it is planted in. */
const bansElsewhere: Record<string, readonly [file: string, rule: string, code: string]> = {
  'crypto, but in id and security': ['src/wire/crypto.ts', 'from outside', cryptoImport('createHash')],
  'randomness in security': ['src/security/random.ts', 'noRestrictedImports', cryptoImport('randomBytes')],
  'asynchronous crypto in id': ['src/id/subtle.ts', 'noRestrictedImports', cryptoImport('subtle')],
  any: ['src/net/any.ts', 'noExplicitAny', 'export const it: any = 1'],
  'a cast to any': ['test/support/as-any.ts', 'noExplicitAny', 'export const it = (1 as any).x'],
  'an enum': ['src/net/enum.ts', 'noEnum', 'export enum Mood {\n  Good,\n}'],
  'a namespace': ['src/net/namespace.ts', 'noNamespace', 'export namespace Here {\n  export const x = 1\n}'],
  'a parameter property': [
    'src/net/property.ts',
    'noParameterProperties',
    'export class Box {\n  constructor(readonly content: number) {}\n}',
  ],
  'a silenced compiler': ['src/net/ignore.ts', 'noTsIgnore', '// @ts-ignore\nexport const one: string = 1'],
  'a default export': ['src/net/default.ts', 'noDefaultExport', 'export default 1'],
  'a name in camelCase': ['src/net/camelCase.ts', 'useFilenamingConvention', 'export const it = 1'],
  'a focused test': [
    'test/unit/only.test.ts',
    'noFocusedTests',
    `${vitestImport}\n\nit.only('runs alone', () => {})`,
  ],
  'other formatting': ['src/net/format.ts', 'format', 'export const it = "1";'],
  'an unused import': ['src/net/unused.ts', 'noUnusedImports', "import { probe } from '../id/probe.ts'\n"],
  'an unchecked index': [
    'src/net/index-type.ts',
    'TS2322',
    'export const first = (all: number[]): number => all[0]',
  ],
  'a wrong type in an example': [
    'examples/wrong.js',
    'TS2322',
    '/** @type {string} */\nexport const one = 1',
  ],
  'an example that reaches into dist': [
    'examples/dist.js',
    'noRestrictedImports',
    "import '../dist/src/index.js'",
  ],
  'an import of nothing': ['src/net/nowhere.ts', 'leads nowhere', "export * from './not-here.ts'"],
  'a development tool in the product': [
    'src/net/tool.ts',
    'gives its users',
    "export * as vitest from 'vitest'",
  ],
  'the product by its own name': ['src/bin/self.ts', 'by name', "export * as net from 'serval/net'"],
  'a room that has no arrows': ['src/attic/probe.ts', 'without arrows', "export * from '../id/probe.ts'"],
  'the public barrel from below': ['src/net/barrel.ts', 'src/net imports', "export * from '../index.ts'"],
  'a type import against an arrow': [
    'src/wire/type.ts',
    'src/wire imports',
    "export type * from '../sal/probe.ts'",
  ],
  'an inline type against an arrow': [
    'src/wire/inline.ts',
    'src/wire imports',
    "export type Up = typeof import('../sal/probe.ts')",
  ],
  'a late import against an arrow': [
    'src/net/late.ts',
    'src/net imports',
    "export const up = () => import('../sockets/probe.ts')",
  ],
  'a cycle': ['src/id/egg.ts', 'no cycles', "export * from './hen.ts'"],
  'a test whose imports are not seen': [
    'test/unit/blind.test.ts',
    'seen to import vitest',
    'export const it = 1',
  ],
}

/** What stands beside the violations, and alone in the tree that has to pass. */
const allowed: Record<string, string> = {
  'src/errors.ts': 'export const probe = 1',
  'src/index.ts': "export * from './sockets/probe.ts'",
  'src/wire/error.ts': importOf('../errors.ts'),
  'src/id/hash.ts': cryptoImport('createHash'),
  'src/security/mac.ts': cryptoImport('createHmac'),
  'src/control/codec.ts':
    "import protobuf from 'protobufjs/minimal.js'\n\nexport const writer = protobuf.Writer",
  'src/net/clock.ts':
    'export const clock = async () => [Date.now(), performance.now(), Math.random(), Buffer.of(1)]',
  'src/net/links.ts': "export * as dgram from 'node:dgram'",
  'src/sockets/net.ts': 'export default { one: 1 }',
  'examples/hello.js': "import net from 'serval/net'\n\nexport const { one } = net",
  'bench/whole.ts': importOf('../src/index.ts'),
  'test/unit/probe.test.ts': `${vitestImport}\n\nit('imports anything', () => import('../../src/sal/probe.ts'))`,
  ...Object.fromEntries(rooms.map(room => [`${room}/probe.${ending(room)}`, 'export const probe = 1'])),
  ...Object.fromEntries(pairs(isAllowed).map(arrow)),
}

describe('the house rules', () => {
  let reports: Finding[]
  let status: number | null

  beforeAll(async () => {
    const planted = {
      ...allowed,
      ...Object.fromEntries(pairs((from, to) => !isAllowed(from, to)).map(arrow)),
      'src/id/hen.ts': "export type * from './egg.ts'",
      ...Object.fromEntries(coreBans().map(({ file, code }) => [file, code])),
      ...Object.fromEntries(Object.values(bansElsewhere).map(([file, , code]) => [file, code])),
    }
    const outcome = await check(planted)
    status = outcome.status
    reports = findings(outcome.output)
  })

  it('fail as a whole when one of them is broken', () => {
    expect(status).toBe(1)
  })

  it.each(rooms)('let a file in %s import what its arrows lead to, and nothing else', from => {
    const imported = rooms.filter(to => to !== from && importReported(from, to))
    expect(imported).toEqual(rooms.filter(to => to !== from && !isAllowed(from, to)))
  })

  it.each(coreRooms)('catch every ban broken in %s', room => {
    const caught = (ban: CoreBan) => rulesReportedFor(ban.file).some(rule => rule.includes(ban.rule))
    const planted = coreBans().filter(ban => ban.room === room)
    expect(planted.filter(ban => !caught(ban)).map(ban => ban.what)).toEqual([])
    expect(planted).toHaveLength(Object.keys(bansInCores).length)
  })

  it.each(Object.entries(bansElsewhere))('catch %s', (_what, [file, rule]) => {
    expect(rulesReportedFor(file)).toContainEqual(expect.stringContaining(rule))
  })

  it('say nothing against a file that keeps them', () => {
    expect(reports.filter(({ file }) => file in allowed)).toEqual([])
  })

  it('pass a tree that keeps them', async () => {
    const { status, output } = await check(allowed)
    expect(output).toMatch(/^ok {4}format, lint .*\nok {4}imports .*\nok {4}types .*\n$/)
    expect(status).toBe(0)
  })

  function rulesReportedFor(file: string) {
    return reports.filter(report => report.file === file).map(report => report.rule)
  }

  function importReported(from: string, to: string) {
    const [file] = arrow([from, to])
    return rulesReportedFor(file).some(rule => rule.startsWith(`${from} imports`))
  }
})

/** One complaint of `npm run check`, whichever of its tools makes it. */
interface Finding {
  readonly file: string
  readonly rule: string
}

function findings(output: string): Finding[] {
  const forms = [
    /^(?<file>\S+?)(:\d+:\d+)? (?<rule>lint\/\S+|plugin|format|assist\/\S+) /, // Biome
    /^ {2}error (?<rule>.+): (?<file>\S+)( →|$)/, // dependency-cruiser
    /^(?<file>\S+)\(\d+,\d+\): error (?<rule>TS\d+)/, // tsc
  ]
  return output.split('\n').flatMap(line => {
    const { file, rule } = forms.map(form => line.match(form)?.groups).find(groups => groups) ?? {}
    return file && rule ? [{ file, rule }] : []
  })
}

/** Runs the repository's own check over `files`, in a tree that has its settings and nothing else of it. */
async function check(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'serval-house-'))
  trees.push(root)
  for (const name of ['.house', '.gitignore', 'biome.jsonc', 'package.json', 'tsconfig.json']) {
    cpSync(name, join(root, name), { recursive: true })
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'))
  for (const [file, code] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), `${code}\n`)
  }
  const child = spawn(process.execPath, ['.house/check.js'], { cwd: root, env: { PATH: process.env.PATH } })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const status = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { status, output }
}

const trees: string[] = []
afterAll(() => {
  for (const root of trees) rmSync(root, { recursive: true })
})

type CoreBan = ReturnType<typeof coreBans>[number]

function coreBans() {
  return coreRooms.flatMap(room =>
    Object.entries(bansInCores).map(([what, [rule, code]]) => {
      return { room, what, rule, code, file: `${room}/${what.replaceAll(/\W+/g, '-').toLowerCase()}.ts` }
    }),
  )
}

function pairs(accept: (from: string, to: string) => boolean) {
  const all = rooms.flatMap(from => rooms.map(to => [from, to] as const))
  return all.filter(([from, to]) => from !== to && accept(from, to))
}

function isAllowed(from: string, to: string) {
  return mayImport[from]?.includes(to) ?? false
}

/** The file that plants an import of one room by another. */
function arrow([from, to]: readonly [from: string, to: string]): [file: string, code: string] {
  const path = `${relative(from, to)}/probe.${ending(to)}`
  const file = `${from}/to-${to.replaceAll('/', '-')}.${ending(from)}`
  return [file, importOf(path.startsWith('.') ? path : `./${path}`)]
}

function importOf(path: string) {
  return `import { probe } from '${path}'\n\nexport const use = probe`
}

function cryptoImport(name: string) {
  return `import { ${name} } from 'node:crypto'\n\nexport const use = ${name}`
}

function ending(room: string) {
  return room === 'examples' ? 'js' : 'ts'
}
