import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PolicyFile } from '../../../controller/policy-file.ts'
import { formatPolicy, parsePolicy } from '../../../src/service/policy-text.ts'

let base: string
let path: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'serval-policies-'))
  path = join(base, 'kept')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const kept = () => new PolicyFile(path).lines.map(formatPolicy)

describe('policies on disk', () => {
  it('are none where nothing was ever kept', () => {
    expect(kept()).toEqual([])
    expect(readdirSync(base)).toEqual([])
  })

  it('are what was said last of each pattern, without what was taken back', () => {
    const file = new PolicyFile(path)
    for (const line of ['web.example SHARE eject=5', '*.shop.example SHARE', 'default SHARE hedge=off']) {
      file.set(parsePolicy(line))
    }
    file.set(parsePolicy('WEB.example SHARE balance=maglev'))
    file.remove(parsePolicy('*.shop.example SHARE').prefix)
    file.remove(parsePolicy('never.example SHARE').prefix)
    expect(kept()).toEqual(['* SHARE hedge=off', 'web.example SHARE balance=maglev'])
    expect(file.lines.map(formatPolicy)).toEqual(kept())
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('are the old ones where a write was cut off', () => {
    new PolicyFile(path).set(parsePolicy('web.example SHARE eject=5'))
    writeFileSync(`${path}.new`, '# half a li')
    expect(kept()).toEqual(['web.example SHARE eject=5'])
    new PolicyFile(path).set(parsePolicy('web.example SHARE eject=6'))
    expect(kept()).toEqual(['web.example SHARE eject=6'])
    expect(readdirSync(base)).toEqual(['kept'])
  })

  it('stay as they are, here too, where they cannot be written', () => {
    const file = new PolicyFile(path)
    file.set(parsePolicy('web.example SHARE eject=5'))
    mkdirSync(`${path}.new`)
    expect(() => file.set(parsePolicy('web.example SHARE eject=6'))).toThrow(
      expect.objectContaining({ code: 'EISDIR' }),
    )
    expect(file.lines.map(formatPolicy)).toEqual(['web.example SHARE eject=5'])
    expect(kept()).toEqual(['web.example SHARE eject=5'])
  })

  it('are not taken from a file in which another thing stands: its line is named, and it is left alone', () => {
    writeFileSync(path, '# mine\n\nweb.example SHARE eject=0\n')
    expect(() => new PolicyFile(path)).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVAL_RULE',
        message: expect.stringMatching(/kept:3: rule "web\.example SHARE eject=0": /),
      }),
    )
    expect(readFileSync(path, 'utf8')).toContain('# mine')
  })
})
