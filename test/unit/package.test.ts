/**
 * What a user installs: the packed package, unpacked beside its dependencies and nothing else of the
 * repository. It packs dist/ as `npm run build` left it.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface PackageJson {
  readonly exports: Record<string, string | { types: string; default: string }>
  readonly bin: Record<string, string>
  readonly dependencies: Record<string, string>
  readonly optionalDependencies: Record<string, string>
}

const manifest: PackageJson = JSON.parse(readFileSync('package.json', 'utf8'))
const modules = Object.keys(manifest.exports)
  .filter(path => !path.includes('*') && !path.endsWith('.json'))
  .map(path => path.replace('.', 'serval'))

describe('the package', () => {
  /** A program's folder, with the package in its node_modules. */
  let program: string
  let packed: string[]

  beforeAll(() => {
    program = mkdtempSync(join(tmpdir(), 'serval-package-'))
    install(program)
    packed = filesUnder(join(program, 'node_modules/serval'))
  })

  afterAll(() => rmSync(program, { recursive: true }))

  it('holds the licence, the introduction, the schemas and the commands', () => {
    expect(packed).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'package.json',
        expect.stringMatching(/^dist\/src\/schemas\/.+\.json$/),
        ...Object.values(manifest.bin),
      ]),
    )
  })

  it('holds nothing but modules, their types, schemas and the dissector', () => {
    const rest = packed.filter(
      file => !/^dist\/(lib\/[\w-]+\.js(\.map)?|src\/.*\.(d\.ts|schema\.json|lua))$/.test(file),
    )
    expect(rest.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
    expect(packed.filter(file => /\.test\.|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(file))).toEqual([])
  })

  it.each(modules)('gives %s to a program', module => {
    expect(run(program, `console.log(Object.keys(await import('${module}')).length > 0)`)).toBe('true\n')
  })

  it('gives its schemas to a program', () => {
    const schema = packed.find(file => file.startsWith('dist/src/schemas/'))?.replace(/.*schemas\//, '')
    expect(run(program, `console.log(import.meta.resolve('serval/schemas/${schema}'))`)).toMatch(
      `/${schema}\n`,
    )
  })

  it('keeps its other modules to itself', () => {
    const code = "await import('serval/dist/lib/worker.js').catch(error => console.log(error.code))"
    expect(run(program, code)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n')
  })

  it('gives its types to a program, errors in them included', () => {
    const imports = modules.map((module, i) => `export * as module${i} from '${module}'`)
    writeFileSync(join(program, 'program.ts'), `${imports.join('\n')}\n`)
    const flags = ['--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--noEmit']
    const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, ...flags, 'program.ts'], {
      cwd: program,
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
  })

  it("runs the README's first program, of ten lines at most", () => {
    const [first = ''] = readmePrograms()
    expect(first.trim().split('\n').length).toBeLessThanOrEqual(10)
    expect(run(program, first)).toMatch(/^connected to 127\.0\.0\.1:\d+\nhello from hello\.example\n$/)
  })

  it("runs the README's program over HTTP", () => {
    const [, second = ''] = readmePrograms()
    expect(run(program, second)).toBe('hello by http\n\n')
  })

  it("runs the README's program with datagrams", () => {
    const [, , third = ''] = readmePrograms()
    expect(run(program, third)).toBe('clock.example says: it is noon\n')
  })

  it.each(Object.entries(manifest.bin))('has the command %s, which the shell can start', (_name, file) => {
    const path = join(program, 'node_modules/serval', file)
    expect(statSync(path).mode & 0o111).toBe(0o111)
    expect(readFileSync(path, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })
})

describe('the lock file', () => {
  it('names versions and checksums, but no place to download from', () => {
    const lock = readFileSync('package-lock.json', 'utf8')
    expect(lock).toContain('"integrity": "sha512-')
    expect(lock).not.toMatch(/"resolved"|registry\.|\.tgz/)
  })
})

/** Does what `npm install serval.tgz` does, but takes the dependencies from this repository. */
function install(program: string) {
  const modules = join(program, 'node_modules')
  mkdirSync(join(modules, 'serval'), { recursive: true })
  const options = ['--ignore-scripts', '--silent', '--pack-destination', program]
  const tarball = execFileSync('npm', ['pack', ...options], { encoding: 'utf8' }).trim()
  execFileSync('tar', ['-xzf', join(program, tarball), '--strip-components=1', '-C', join(modules, 'serval')])
  const dependencies = { ...manifest.dependencies, ...manifest.optionalDependencies }
  for (const name of ['@types/node', ...Object.keys(dependencies)]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(process.cwd(), 'node_modules', name), join(modules, name))
  }
}

/** The JavaScript in README.md, in its order. */
function readmePrograms(): string[] {
  const blocks = readFileSync('README.md', 'utf8').matchAll(/^```js\n(.*?)^```$/gms)
  return Array.from(blocks, ([, code]) => code ?? '')
}

/** What an ES module prints. It finds no other program of this host. */
function run(program: string, code: string) {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: program,
    encoding: 'utf8',
    env: { ...process.env, SERVAL_RUNTIME_DIR: join(program, 'runtime') },
    timeout: 20_000,
  })
}

function filesUnder(folder: string) {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter(name => statSync(join(folder, name)).isFile())
}
