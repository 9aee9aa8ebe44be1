import { describe, expect, it } from 'vitest'
import { type ErrorCode, errors, ServalError } from '../../src/errors.ts'

describe('an error of this package', () => {
  it('has a code, a sentence, and its details', () => {
    const cause = new Error('why')
    const error = new ServalError('ENOSERVICE', { service: 'web.example', asked: ['a', 'b'] }, { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error.message).toBe('nobody serves web.example (asked a, b)')
    expect(error).toMatchObject({ code: 'ENOSERVICE', service: 'web.example', name: 'Error', cause })
  })

  it('has the name that Node gives to the same code', () => {
    const error = new ServalError('ERR_SOCKET_BAD_PORT', { argument: 'options.port', received: 70000 })
    expect(error.name).toBe('RangeError')
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toBeInstanceOf(ServalError)
    expect(error).not.toBeInstanceOf(TypeError)
    expect(error.message).toBe('options.port should be >= 0 and < 65536. Received 70000.')
  })

  it('is none of other errors', () => {
    for (const other of [new Error('other'), new RangeError('other'), {}, null, 'text']) {
      expect(other).not.toBeInstanceOf(ServalError)
    }
  })

  it('cannot have its code changed by a detail', () => {
    expect(new ServalError('EPIPE', { code: 'EOTHER', syscall: 'write' }).code).toBe('EPIPE')
  })

  it('says in the table when it is met, in whole sentences', () => {
    for (const code of Object.keys(errors) as ErrorCode[]) {
      expect(code).toMatch(/^[A-Z_0-9]+$/)
      expect(errors[code].message, code).not.toBe('')
      expect(errors[code].when, code).toMatch(/\.$/)
    }
  })
})
