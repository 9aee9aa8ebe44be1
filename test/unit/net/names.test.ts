import { describe, expect, it } from 'vitest'
import { keyedName } from '../../../src/id/name.ts'
import { isLocalName, nameOfTarget, namesOfListener } from '../../../src/net/names.ts'

const aliases = (...args: Parameters<typeof namesOfListener>) =>
  namesOfListener(...args).aliases.map(({ text }) => text)

describe('the name of what a program asks for', () => {
  it('is a name, or a port of a host', () => {
    expect(nameOfTarget('Web.Example').text).toBe('web.example')
    expect(nameOfTarget({ service: 'web.example' }).text).toBe('web.example')
    expect(nameOfTarget({ port: 80 }).text).toBe('80.localhost.inet')
    expect(nameOfTarget({ port: 80, host: '10.0.0.1' }).text).toBe('80.10-0-0-1.inet')
  })

  it('is refused where it is malformed', () => {
    expect(() => nameOfTarget('no spaces')).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    expect(() => nameOfTarget({ port: 65_536 })).toThrow(
      expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }),
    )
  })
})

describe('the names of a listener', () => {
  it('are one for each address of the host, where it is a port without a host', () => {
    const names = aliases({ port: 80 }, ['10.0.0.1', 'fd00::1'])
    expect(names).toEqual(expect.arrayContaining(['80.10-0-0-1.inet', '80.fd00--1.inet']))
    expect(aliases({ port: 80, host: '::' }, ['10.0.0.1'])).toContain('80.10-0-0-1.inet')
  })

  it('are one where a host is given, or a name', () => {
    expect(aliases({ port: 80, host: '127.0.0.1' }, ['10.0.0.1'])).toEqual([])
    expect(aliases({ port: 80, host: '10.0.0.1' }, ['10.0.0.1', '10.0.0.2'])).toEqual([])
    expect(aliases('web.example', ['10.0.0.1'])).toEqual([])
  })

  it('are the plain name too, where it is self-certifying', () => {
    const { text } = keyedName('web.example', new Uint8Array(20).fill(3))
    expect(aliases(text, [])).toEqual(['web.example'])
  })
})

describe('a name that only this host understands', () => {
  it('is a port of localhost', () => {
    expect(isLocalName('80.localhost.inet')).toBe(true)
    expect(isLocalName('80.10-0-0-1.inet')).toBe(false)
    expect(isLocalName('localhost.inet')).toBe(false)
  })
})
