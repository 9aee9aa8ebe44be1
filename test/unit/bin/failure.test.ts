import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { explain, Failure, statusOf, UsageError } from '../../../src/bin/failure.ts'
import { ServalError } from '../../../src/errors.ts'

describe('the exit status', () => {
  it.each([
    ['help that was asked for', new CommanderError(0, 'commander.helpDisplayed', ''), 0],
    ['an unknown option', new CommanderError(1, 'commander.unknownOption', ''), 2],
    ['options that do not go together', new UsageError(''), 2],
    ['a malformed name', new ServalError('ESERVICENAME', { value: 'a b', expected: 'labels' }), 2],
    ['a malformed rule', new ServalError('ERR_SERVAL_RULE', { rule: '', value: '', expected: '' }), 2],
    ['a service that nobody serves', new ServalError('ENOSERVICE', { service: 'a', asked: 'b' }), 1],
    ['what was tried in vain', new Failure(''), 1],
    ['an error of the system', new Error('EPERM'), 1],
  ])('for %s is as published', (_what, error, status) => {
    expect(statusOf(error)).toBe(status)
  })
})

describe('the message of an error', () => {
  it('is one line', () => {
    expect(explain(new Error('first\n  second'), {})).toBe('first second')
  })

  it('has a stack only where debugging is asked for', () => {
    const error = new Error('wrong')
    expect(explain(error, { SERVAL_LOG: 'info' })).toBe('wrong')
    expect(explain(error, { SERVAL_LOG: 'debug' })).toContain('failure.test.ts')
  })

  it('can be of something that is no error', () => {
    expect(explain('wrong', {})).toBe('wrong')
  })
})
