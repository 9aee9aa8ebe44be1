import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ControlRule } from '../../../src/control/messages.ts'
import { ControlRules } from '../../../src/net/control-rules.ts'
import { ServiceTable } from '../../../src/service/service-table.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { endpoints, named } from '../../support/control-world.ts'

function ruleTo(at: string): ControlRule {
  return {
    ...named('web.example'),
    instance: 'a'.repeat(32),
    endpoints: endpoints(at),
    weight: 1,
    priority: 1,
  }
}

function targetsIn(table: ServiceTable): string[] {
  const serving = table.find(named('web.example').prefix)?.serving ?? []
  return serving.map(({ endpoint }) => formatEndpoint(endpoint))
}

function rulesOf(table: ServiceTable): ControlRules {
  return new ControlRules({
    table,
    isReachable: () => true,
    onChanged: () => undefined,
    rest: () => Promise.resolve(),
  })
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a rule of the controller', () => {
  it.each([
    ['0.0.0.0:5000', 'the unspecified address is no target'],
    ['[::]:5000', 'the unspecified address is no target'],
    ['224.0.0.1:5000', 'a multicast or broadcast address is no target'],
    ['255.255.255.255:5000', 'a multicast or broadcast address is no target'],
    ['[ff02::1]:5000', 'a multicast or broadcast address is no target'],
    ['10.0.0.1:0', 'a target has a port'],
  ])('to %s is left out, quoted with the reason, and takes away the one before', (at, reason) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const table = new ServiceTable()
    const rules = rulesOf(table)
    const before = ruleTo('10.0.0.7:5000')
    void rules.apply([], [before])
    void rules.apply([before], [ruleTo(at)])
    expect(targetsIn(table)).toEqual([])
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(`rule "web.example FORWARD ${at}"`), {
      code: 'SERVAL_RULE',
    })
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(reason), expect.anything())
  })

  it('leads to the first of its endpoints that is possible', () => {
    const table = new ServiceTable()
    void rulesOf(table).apply([], [ruleTo('224.0.0.1:5000 10.0.0.7:5000')])
    expect(targetsIn(table)).toEqual(['10.0.0.7:5000'])
  })
})
