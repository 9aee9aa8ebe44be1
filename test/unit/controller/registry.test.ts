import { describe, expect, it } from 'vitest'
import { isHostScoped, type Member, Registry } from '../../../controller/registry.ts'
import type { NamedPrefix } from '../../../src/control/messages.ts'
import { parseServicePattern } from '../../../src/id/name.ts'
import { ServicePrefix } from '../../../src/id/service-prefix.ts'
import { endpoints, named } from '../../support/control-world.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const SHARE = { weight: 1, priority: 1 }

function member(instance: string, at = '10.0.0.1:5000'): Member {
  return {
    kind: 'host',
    instance,
    hostId: 'host',
    hostName: 'host',
    program: 'program',
    pid: 1,
    endpoints: endpoints(at),
    joinedAt: 0,
  }
}

function registryOf(...instances: string[]): Registry {
  const registry = new Registry(4)
  for (const instance of instances) registry.join(member(instance))
  return registry
}

const changes = (registry: Registry) =>
  registry.takeChanges().map(({ name, instance }) => `${name} ${instance}`)

/** Who serves what is asked, by name, as `pattern: instances`. */
function resolve(registry: Registry, asked: NamedPrefix): string | undefined {
  const service = registry.resolve(asked)
  return service && `${service.name}: ${[...service.registrations.keys()].join(' ')}`
}

describe('the registry', () => {
  it('knows the instances of a name, and forgets the name with the last one', () => {
    const registry = registryOf('a', 'b')
    expect(registry.register('a', named('web.example'), SHARE, 1)).toBeUndefined()
    expect(registry.register('b', named('web.example'), SHARE, 2)).toBeUndefined()
    expect(resolve(registry, named('web.example'))).toBe('web.example: a b')
    expect(registry.unregister('a', named('web.example').prefix)).toBe(true)
    expect(registry.unregister('a', named('web.example').prefix)).toBe(false)
    expect(resolve(registry, named('web.example'))).toBe('web.example: b')
    registry.leave('b')
    expect(resolve(registry, named('web.example'))).toBeUndefined()
    expect(registry.services.size).toBe(0)
    expect(registry.members.has('b')).toBe(false)
  })

  it('takes a registration again with another share, and keeps its age', () => {
    const registry = registryOf('a')
    registry.register('a', named('web.example'), SHARE, 1)
    registry.register('a', named('web.example'), { weight: 5, priority: 2 }, 9)
    const found = registry.find({ ...named('web.example'), instance: 'a' })
    expect(found).toMatchObject({ weight: 5, priority: 2, registeredAt: 1 })
  })

  it('compares names in any case, and shows them in lower case', () => {
    const registry = registryOf('a', 'b')
    registry.register('a', named('Web.Example'), SHARE, 0)
    registry.register('b', named('web.example'), SHARE, 0)
    expect(resolve(registry, named('WEB.example'))).toBe('web.example: a b')
  })

  it('finds the longest prefix, and the name within it', () => {
    const registry = registryOf('a', 'b', 'c', 'd')
    registry.register('a', named('*'), SHARE, 0)
    registry.register('b', named('*.example'), SHARE, 0)
    registry.register('c', named('*.shop.example'), SHARE, 0)
    registry.register('d', named('cart.shop.example'), SHARE, 0)
    expect(resolve(registry, named('cart.shop.example'))).toBe('cart.shop.example: d')
    expect(resolve(registry, named('cash.shop.example'))).toBe('*.shop.example: c')
    expect(resolve(registry, named('deep.in.shop.example'))).toBe('*.shop.example: c')
    expect(resolve(registry, named('shop.example'))).toBe('*.shop.example: c')
    expect(resolve(registry, named('web.example'))).toBe('*.example: b')
    expect(resolve(registry, named('web.test'))).toBe('*: a')
    // A prefix is found under itself or a wider one, never under one of the names that it covers.
    expect(resolve(registry, named('*.shop.example'))).toBe('*.shop.example: c')
    expect(resolve(registry, named('*.web.example'))).toBe('*.example: b')
  })

  it('finds what a raw ID leads to, whatever it is called', () => {
    const registry = registryOf('a')
    registry.register('a', named('web.example'), SHARE, 0)
    const { prefix } = named('web.example')
    expect(resolve(registry, { name: '', prefix })).toBe('web.example: a')
    expect(resolve(registry, { name: prefix.toString(), prefix })).toBe('web.example: a')
  })

  it('does not send a name to a prefix whose hash it merely shares', () => {
    const registry = registryOf('a')
    registry.register('a', named('*.example'), SHARE, 0)
    // As if `web.other` had the same first 32 bits.
    const colliding = { name: 'web.other', prefix: named('web.example').prefix }
    expect(resolve(registry, colliding)).toBeUndefined()
  })

  it('calls a service without a name by its ID', () => {
    const registry = registryOf('a')
    const prefix = ServicePrefix.parse(`x-${'ab'.repeat(32)}/12`)
    registry.register('a', { name: '', prefix }, SHARE, 0)
    expect([...registry.services.values()][0]!.name).toBe(`x-aba${'0'.repeat(61)}/12`)
  })

  it('tells each change once, however often it changed', () => {
    const registry = registryOf('a', 'b')
    registry.register('a', named('web.example'), SHARE, 0)
    registry.register('b', named('web.example'), SHARE, 0)
    registry.unregister('a', named('web.example').prefix)
    expect(changes(registry)).toEqual(['web.example a', 'web.example b'])
    expect(changes(registry)).toEqual([])
    registry.join(member('b', '10.0.0.2:5000'))
    expect(changes(registry)).toEqual(['web.example b'])
    registry.leave('b')
    expect(changes(registry)).toEqual(['web.example b'])
  })
})

describe('a registration is refused', () => {
  it('under a name that another one owns the hash of', () => {
    const registry = registryOf('a', 'b')
    const { prefix } = named('*.example')
    registry.register('a', { name: '', prefix }, SHARE, 0)
    expect(registry.register('b', named('*.example'), SHARE, 0)).toEqual({
      code: 'EADDRINUSE',
      message: `*.example has the same 32 bits as ${prefix}`,
    })
  })

  it('beyond what one process may register, until it gives something up', () => {
    const registry = registryOf('a')
    for (const name of ['a.b', 'b.b', 'c.b', 'd.b']) registry.register('a', named(name), SHARE, 0)
    expect(registry.register('a', named('e.b'), SHARE, 0)).toMatchObject({ code: 'ELIMIT' })
    expect(registry.register('a', named('d.b'), SHARE, 0)).toBeUndefined()
    registry.unregister('a', named('d.b').prefix)
    expect(registry.register('a', named('e.b'), SHARE, 0)).toBeUndefined()
  })

  it.each(['8080.localhost.inet', '*.localhost.inet', 'a.8080.localhost.inet'])('for %s', name => {
    expect(isHostScoped(name)).toBe(true)
    const { prefix } = named('web.example')
    expect(registryOf('a').register('a', { name, prefix }, SHARE, 0)).toMatchObject({ code: 'ESERVICENAME' })
  })

  it.each(['8080.10-0-0-1.inet', '8080.db.lan.inet', 'localhost.example'])('but not for %s', name => {
    expect(isHostScoped(name)).toBe(false)
    expect(registryOf('a').register('a', named(name), SHARE, 0)).toBeUndefined()
  })

  it.each(['__proto__', 'constructor', 'a..b', '*.a.b.c', 'k-short.web.example', '<script>'])(
    'for a name like "%s" that does not lead to its ID',
    name => {
      const registry = registryOf('a')
      const { prefix } = named('web.example')
      expect(registry.register('a', { name, prefix }, SHARE, 0)).toMatchObject({ code: 'ESERVICENAME' })
    },
  )
})

describe('the registry and its simple twin', () => {
  it('agree on who serves what, after any sequence of registrations', () => {
    const random = new Random(testSeed)
    const registry = new Registry(100)
    const instances = ['a', 'b', 'c']
    const patterns = ['*', '*.example', '*.shop.example', 'web.example', 'cart.shop.example', 'web.test']
    const asked = ['web.example', 'cart.shop.example', 'x.shop.example', 'y.example', 'web.test', 'z.z']
    const twin = new Set<string>()
    for (const instance of instances) registry.join(member(instance))
    for (let step = 0; step < 500; step++) {
      const instance = random.pick(instances)
      const pattern = random.pick(patterns)
      if (random.chance(0.05)) {
        registry.leave(instance)
        registry.join(member(instance))
        for (const name of patterns) twin.delete(`${name} ${instance}`)
      } else if (random.chance(0.5)) {
        registry.register(instance, named(pattern), SHARE, 0)
        twin.add(`${pattern} ${instance}`)
      } else {
        registry.unregister(instance, named(pattern).prefix)
        twin.delete(`${pattern} ${instance}`)
      }
      for (const name of asked) {
        const best = patterns
          .filter(one => instances.some(other => twin.has(`${one} ${other}`)))
          .filter(one => one === '*' || one === name || (one.startsWith('*') && name.endsWith(one.slice(1))))
          .sort((a, b) => parseServicePattern(b).bits - parseServicePattern(a).bits)[0]
        const service = registry.resolve(named(name))
        const explain = `step ${step} ${name}; ${replay('test/unit/controller/registry.test.ts')}`
        expect(service?.name, explain).toBe(best)
        if (best === undefined) continue
        const serving = instances.filter(other => twin.has(`${best} ${other}`))
        expect([...service!.registrations.keys()].sort(), explain).toEqual(serving)
      }
    }
  })
})
