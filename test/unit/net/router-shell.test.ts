import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryNetwork } from '../../../src/net/links/memory-link.ts'
import { Stacks } from '../../support/net/stacks.ts'

describe('a router with rules', () => {
  let stacks: Stacks
  beforeEach(() => {
    stacks = new Stacks()
  })
  afterEach(() => stacks.close())

  const open = (rule: string) => {
    const network = new MemoryNetwork().host('10.0.0.1')
    return stacks.openRouter({ network, bind: '10.0.0.1:54325', rules: [rule] })
  }

  it('refuses one that leads to itself, and quotes it', () => {
    expect(() => open('web.example FORWARD 10.0.0.2:7, 10.0.0.1:54325')).toThrow(
      expect.objectContaining({
        code: 'ERR_SERVAL_RULE',
        rule: 'web.example FORWARD 10.0.0.2:7, 10.0.0.1:54325',
        value: '10.0.0.1:54325',
        message: expect.stringContaining('a rule that forwards to oneself is a loop'),
      }),
    )
  })

  it('takes one that leads to another port of its host', () => {
    expect(open('web.example FORWARD 10.0.0.1:54324').serviceTable.size).toBe(1)
  })
})
