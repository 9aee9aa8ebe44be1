import { describe, expect, it } from 'vitest'
import { exclusiveEndpoints, reachableEndpoints, routersFor, ruleFor } from '../../../controller/policy.ts'
import type { Member, Registration } from '../../../controller/registry.ts'
import { MAX_ROUTERS } from '../../../src/control/fields.ts'
import { formatEndpoint } from '../../../src/wire/endpoint.ts'
import { endpoints, named } from '../../support/control-world.ts'

function member(at: string, options: Partial<Member> = {}): Member {
  return {
    kind: 'host',
    instance: at,
    hostId: '',
    hostName: 'host',
    program: 'program',
    pid: 1,
    endpoints: at === '' ? [] : endpoints(at),
    joinedAt: 0,
    ...options,
  }
}

/** Addresses of the endpoints that are told, best first. */
function told(owner: Member, receiver: Member): string {
  return reachableEndpoints(owner, receiver)
    .map(({ address }) => address)
    .join(' ')
}

describe('the endpoints that one is told of another', () => {
  it.each([
    ['the nearest first', '10.0.0.1:1 192.168.7.1:1', '192.168.7.9:1', '192.168.7.1 10.0.0.1'],
    ['the order given where none is nearer', '10.0.1.1:1 10.0.2.1:1', '172.16.0.1:1', '10.0.1.1 10.0.2.1'],
    ['of both families', '10.0.0.1:1 [fd00::1]:1', '[fd00::9]:1', 'fd00::1 10.0.0.1'],
    [
      'IPv6 of the same /64 before IPv4 of the same /24',
      '10.0.0.1:1 [fd00::1]:1',
      '10.0.0.9:1 [fd00::9]:1',
      'fd00::1 10.0.0.1',
    ],
    [
      'a near IPv4 before a far IPv6',
      '[2001:db8:2::1]:1 10.0.0.1:1',
      '10.0.0.9:1 [2001:db8:1::9]:1',
      '10.0.0.1 2001:db8:2::1',
    ],
    ['as they are to one without any', '10.0.0.1:1', '', '10.0.0.1'],
    ['no loopback, which is another one there', '127.0.0.1:1 [::1]:1 10.0.0.1:1', '127.0.0.1:1', '10.0.0.1'],
    ['no link-local ones, which need a zone', '[fe80::1]:1 10.0.0.1:1', '[fe80::2]:1', '10.0.0.1'],
    ['no wildcard', '0.0.0.0:1 [::]:1 10.0.0.1:1', '10.0.0.1:1', '10.0.0.1'],
  ])('are %s', (_, owner, receiver, expected) => {
    expect(told(member(owner), member(receiver))).toBe(expected)
  })

  it('are of the same network: raw IP and UDP have nothing to do with each other', () => {
    const owner = member('10.0.0.1:54325', { hostId: 'h/raw-ip' })
    expect(told(owner, member('10.0.0.2:54325', { hostId: 'i/raw-ip' }))).toBe('10.0.0.1')
    expect(told(owner, member('10.0.0.2:54325', { hostId: 'i' }))).toBe('')
    expect(told({ ...owner, hostId: '' }, member('10.0.0.2:54325', { hostId: 'i/raw-ip' }))).toBe('')
  })

  it('are loopback ones too on the same host, but last', () => {
    const owner = member('127.0.0.1:1 10.0.0.1:1', { hostId: 'h' })
    const receiver = member('127.0.0.1:2 10.0.0.1:2', { hostId: 'h' })
    expect(told(owner, receiver)).toBe('10.0.0.1 127.0.0.1')
    expect(told(owner, { ...receiver, hostId: 'i' })).toBe('10.0.0.1')
  })

  it('are on one host with many loopback addresses the nearest of these', () => {
    const owner = member('127.0.0.5:1 10.0.0.1:1', { hostId: 'h' })
    expect(told(owner, member('127.0.0.4:2', { hostId: 'h' }))).toBe('127.0.0.5 10.0.0.1')
  })
})

describe('a rule', () => {
  const registration: Registration = {
    ...named('web.example'),
    instance: 'owner',
    weight: 2,
    priority: 3,
    registeredAt: 0,
  }

  it('has the share of the registration and the endpoints for its receiver', () => {
    const owner = member('127.0.0.1:1 10.0.0.1:1', { instance: 'owner' })
    expect(ruleFor(registration, owner, member('10.0.0.2:1'))).toEqual({
      ...named('web.example'),
      instance: 'owner',
      endpoints: endpoints('10.0.0.1:1'),
      weight: 2,
      priority: 3,
    })
  })

  it('is none where the receiver cannot reach the instance, or is the instance', () => {
    expect(ruleFor(registration, member('127.0.0.1:1'), member('10.0.0.2:1'))).toBeUndefined()
    const owner = member('10.0.0.1:1', { instance: 'owner' })
    expect(ruleFor(registration, owner, owner)).toBeUndefined()
  })
})

describe('the routers that one is told', () => {
  it('are those that it can reach, without itself and without hosts', () => {
    const near = member('10.0.0.1:1', { kind: 'router', program: 'serval router', pid: 7 })
    const hidden = member('127.0.0.1:1', { kind: 'router' })
    const host = member('10.0.0.3:1')
    const routers = routersFor([near, hidden, host], host)
    expect(routers).toEqual([
      { instance: near.instance, name: 'serval router on host (pid 7)', endpoints: endpoints('10.0.0.1:1') },
    ])
    expect(routersFor([near, hidden, host], near)).toEqual([])
  })

  it('are no more than fit into a message', () => {
    const routers = Array.from({ length: 300 }, (_, i) =>
      member(`10.0.${i >> 8}.${i & 255}:1`, { kind: 'router' }),
    )
    expect(routersFor(routers, member('10.9.9.9:1'))).toHaveLength(MAX_ROUTERS)
  })
})

describe('the endpoints that are gone with an instance', () => {
  const gone = member('10.0.0.1:1 127.0.0.1:1', { hostId: 'h' })

  it.each([
    ['all, if nobody has taken them', '10.0.0.2:1', 'h', ['10.0.0.1:1', '127.0.0.1:1']],
    ['not one that another has now', '10.0.0.1:1', 'i', ['127.0.0.1:1']],
    ['not a loopback one that another has on that host', '127.0.0.1:1', 'h', ['10.0.0.1:1']],
    ['a loopback one, if another has it on another host', '127.0.0.1:1', 'i', ['10.0.0.1:1', '127.0.0.1:1']],
    ['one of another port', '10.0.0.1:2', 'h', ['10.0.0.1:1', '127.0.0.1:1']],
  ])('are %s', (_, at, hostId, expected) => {
    expect(exclusiveEndpoints(gone, [member(at, { hostId })]).map(formatEndpoint)).toEqual(expected)
  })
})
