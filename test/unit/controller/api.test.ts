import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { Ajv } from 'ajv'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { type RunningController, startController } from '../../../controller/index.ts'
import { createApi } from '../../../controller/routes/api.ts'
import { protocols } from '../../../src/wire/sal-header.ts'
import { ControlWorld, named, registration } from '../../support/control-world.ts'

const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true })

function schema(name: string): object {
  return JSON.parse(readFileSync(`src/schemas/rest-${name}.schema.json`, 'utf8'))
}

/** Empty where the value is as the schema says. */
function faults(name: string, value: unknown): string {
  const validate = ajv.compile(schema(name))
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

/** A world with two instances of one name, a prefix, a raw ID and a router; and the REST of its controller. */
function restOf(token?: string) {
  const world = new ControlWorld()
  world.agent({ kind: 'router', program: 'serval router', at: '10.0.0.9:54325' })
  const first = world.agent({ program: 'first', pid: 11, at: '10.0.0.1:5000 [fd00::1]:5000' })
  const second = world.agent({
    program: 'second',
    pid: 12,
    hostName: 'other',
    hostId: '',
    at: '10.0.0.2:5000',
  })
  first.core.register(registration('web.example', 2, 3))
  second.core.register(registration('web.example'))
  first.core.register(registration('*.shop.example'))
  first.core.register({ name: '', prefix: named('raw.example').prefix, weight: 1, priority: 1 })
  world.run(100)
  const hub = world.hub!
  const state = {
    hub,
    controller: 'c'.repeat(32),
    pid: 1,
    leaseMs: 10_000,
    startedAt: 0,
    nowMs: () => world.nowMs,
  }
  const api = createApi({ state, logger: pino({ level: 'silent' }), token })
  const read = async (url: string, headers: Record<string, string> = {}) => {
    const response = await api.inject({ method: 'GET', url, headers })
    return { status: response.statusCode, body: JSON.parse(response.body) }
  }
  return { world, api, read, first, second }
}

describe('the REST', () => {
  it('lists services, with how many serve each', async () => {
    const { read } = restOf()
    const { status, body } = await read('/v1/services')
    expect(status).toBe(200)
    expect(faults('services', body)).toBe('')
    expect(
      body.services.map((one: { name: string; instances: number }) => [one.name, one.instances]),
    ).toEqual([
      ['web.example', 2],
      ['*.shop.example', 1],
      [named('raw.example').prefix.toString(), 1],
    ])
  })

  it.each(['web.example', 'WEB.example', `${named('web.example').prefix}`])(
    'shows who serves %s',
    async name => {
      const { read, first, second } = restOf()
      const { status, body } = await read(`/v1/services/${name}`)
      expect(status).toBe(200)
      expect(faults('service', body)).toBe('')
      expect(body).toMatchObject({
        name: 'web.example',
        serviceId: named('web.example').prefix.toString(),
        bits: 256,
        instances: [
          {
            instance: first.core.instance,
            program: 'first',
            pid: 11,
            endpoints: ['10.0.0.1:5000', '[fd00::1]:5000'],
            weight: 2,
            priority: 3,
          },
          { instance: second.core.instance, program: 'second', host: 'other' },
        ],
      })
    },
  )

  it('shows what an instance takes, once for each protocol where the shares differ', async () => {
    const { world, read, first, second } = restOf()
    first.core.register({ ...registration('game.example'), protocol: protocols.STREAM })
    second.core.register({ ...registration('game.example'), protocol: protocols.STREAM })
    second.core.register({ ...registration('game.example', 2), protocol: protocols.DATAGRAM })
    world.run(10)
    const { body } = await read('/v1/services/game.example')
    expect(faults('service', body)).toBe('')
    expect(body.instances).toMatchObject([
      { program: 'first', protocol: 'stream', weight: 1 },
      { program: 'second', protocol: 'stream', weight: 1 },
      { program: 'second', protocol: 'datagram', weight: 2 },
    ])
    const { services } = (await read('/v1/services')).body
    expect(services).toContainEqual(expect.objectContaining({ name: 'game.example', instances: 2 }))
    expect(JSON.stringify((await read('/v1/services/web.example')).body)).not.toContain('protocol')
  })

  it('shows a prefix, and a raw one with its bits', async () => {
    const { read } = restOf()
    const { prefix } = named('*.shop.example')
    for (const name of ['*.shop.example', encodeURIComponent(prefix.toString())]) {
      expect((await read(`/v1/services/${name}`)).body).toMatchObject({ name: '*.shop.example', bits: 64 })
    }
  })

  it.each([
    ['/v1/services/shop.example', 404, 'ENOSERVICE', 'nobody has registered shop.example'],
    ['/v1/services/__proto__', 404, 'ENOSERVICE', 'nobody has registered __proto__'],
    ['/v1/services/constructor', 404, 'ENOSERVICE', 'nobody has registered constructor'],
    ['/v1/services/a..b', 400, 'ESERVICENAME', '"a..b" is not a service name'],
    ['/v1/services/%00', 400, 'ESERVICENAME', 'is not a service name'],
    ['/v1/services/%zz', 400, '', ''],
    [`/v1/services/${'a'.repeat(5000)}`, 414, '', ''],
    ['/v1/nothing', 404, 'ENOTFOUND', 'no such resource: GET /v1/nothing'],
    ['/v1/services/..%2f..%2fetc', 400, 'ESERVICENAME', ''],
    ['/', 404, 'ENOTFOUND', 'no such resource: GET /'],
  ])('answers %.40s with %i and an error', async (url, status, code, message) => {
    const { read } = restOf()
    const answer = await read(url)
    expect(answer.status).toBe(status)
    expect(faults('error', answer.body)).toBe('')
    if (code !== '') expect(answer.body.error.code).toBe(code)
    expect(answer.body.error.message).toContain(message)
  })

  it('lists instances, routers and hosts', async () => {
    const { read, first, second } = restOf()
    const instances = (await read('/v1/instances')).body
    expect(faults('instances', instances)).toBe('')
    expect(instances.instances.map((one: { services: string[] }) => one.services.length)).toEqual([3, 1])
    const routers = (await read('/v1/routers')).body
    expect(faults('routers', routers)).toBe('')
    expect(routers.routers).toMatchObject([{ program: 'serval router', endpoints: ['10.0.0.9:54325'] }])
    const hosts = (await read('/v1/hosts')).body
    expect(faults('hosts', hosts)).toBe('')
    expect(hosts.hosts).toMatchObject([
      {
        host: 'host',
        hostId: 'host',
        instances: [first.core.instance],
        routers: [routers.routers[0].instance],
      },
      { host: 'other', hostId: '', instances: [second.core.instance], routers: [] },
    ])
  })

  it('says how it is', async () => {
    const { read, world } = restOf()
    world.run(4000)
    const { body } = await read('/v1/health')
    expect(faults('health', body)).toBe('')
    expect(body).toMatchObject({
      status: 'ok',
      services: 3,
      instances: 2,
      routers: 1,
      connections: 3,
      upForMs: 4100,
      counters: { malformed: 0 },
    })
  })

  it('is empty, and as its schemas say, where nobody is', async () => {
    const { world, read } = restOf()
    world.hub!.registry.members.forEach(({ instance }) => {
      world.hub!.registry.leave(instance)
    })
    for (const name of ['services', 'instances', 'routers', 'hosts']) {
      const { body } = await read(`/v1/${name}`)
      expect(faults(name, body)).toBe('')
      expect(body).toEqual({ [name]: [] })
    }
  })

  it('asks for the token where there is one, but not for its health', async () => {
    const { read } = restOf('secret')
    expect((await read('/v1/health')).status).toBe(200)
    for (const authorization of ['', 'secret', 'Bearer', 'Bearer secreT', 'Bearer secret ', 'Basic secret']) {
      const { status, body } = await read('/v1/services', { authorization })
      expect([authorization, status]).toEqual([authorization, 401])
      expect(faults('error', body)).toBe('')
    }
    expect((await read('/v1/nothing')).status).toBe(401)
    expect((await read('/v1/services', { authorization: 'Bearer secret' })).status).toBe(200)
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'] as const)('C4: takes no %s', async method => {
    const { api, read } = restOf()
    const payload = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
    for (const url of ['/v1/services', '/v1/services/web.example', '/v1/health']) {
      const response = await api.inject({ method, url, payload })
      expect(response.statusCode).toBe(404)
      expect(faults('error', JSON.parse(response.body))).toBe('')
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect((await read('/v1/services')).body.services).toHaveLength(3)
  })

  it.each([
    ['that is long', 'application/json', 'x'.repeat(100_000)],
    ['that is deep', 'application/json', '['.repeat(500)],
    ['that is no JSON', 'application/json', '{'],
    ['of another type', 'text/xml', '<x/>'],
  ])('C4: is not moved by a body %s', async (_, type, payload) => {
    const { api } = restOf()
    const response = await api.inject({
      method: 'POST',
      url: '/v1/services',
      payload,
      headers: { 'content-type': type },
    })
    expect(response.statusCode).toBe(404)
    expect(faults('error', JSON.parse(response.body))).toBe('')
  })
})

describe('policies by REST', () => {
  const put = (pattern: string, payload: object, headers: Record<string, string> = {}) =>
    ({ method: 'PUT', url: `/v1/policies/${encodeURIComponent(pattern)}`, payload, headers }) as const

  it('are said, shown, replaced and taken back, and routers follow', async () => {
    const { api, read, world } = restOf()
    const router = world.agent({ kind: 'router', at: '10.0.0.8:54325' })
    world.run(100)
    router.take('rules')
    const said = await api.inject(put('Web.example', { share: 'eject=5  balance=Maglev' }))
    expect([said.statusCode, JSON.parse(said.body)]).toEqual([
      200,
      { pattern: 'web.example', share: 'balance=maglev eject=5' },
    ])
    world.run(100)
    const told = router.take('rules').flatMap(({ add }) => add)
    expect(told.map(({ name, sharing }) => [name, sharing])).toEqual([
      ['web.example', { balance: 'maglev', ejectAfter: 5 }],
      ['web.example', { balance: 'maglev', ejectAfter: 5 }],
    ])
    await api.inject(put('*', { share: '' }))
    const { body } = await read('/v1/policies')
    expect(faults('policies', body)).toBe('')
    expect(body.policies).toEqual([
      { pattern: 'web.example', share: 'balance=maglev eject=5' },
      { pattern: '*', share: '' },
    ])
    const service = await read('/v1/services/web.example')
    expect(service.body.share).toBe('balance=maglev eject=5')
    expect(faults('service', service.body)).toBe('')
    expect((await api.inject({ method: 'DELETE', url: '/v1/policies/web.example' })).statusCode).toBe(204)
    expect((await api.inject({ method: 'DELETE', url: '/v1/policies/web.example' })).statusCode).toBe(404)
    world.run(100)
    expect(
      router
        .take('rules')
        .at(-1)!
        .add.map(({ sharing }) => sharing),
    ).toEqual([{}, {}])
  })

  it.each([
    ['web.example', { share: 'balance=fair' }, /"web\.example SHARE balance=fair".*least-loaded/],
    ['web..example', { share: '' }, /"web\.\.example SHARE.*a rule starts with a name/],
    ['web.example', {}, /the body is JSON/],
    ['web.example', { share: 5 }, /the body is JSON/],
    ['web.example', { share: '', more: 1 }, /the body is JSON/],
  ])('of %s with %j are refused, and nothing is changed', async (pattern, payload, message) => {
    const { api, read } = restOf()
    const response = await api.inject(put(pattern, payload))
    const body = JSON.parse(response.body)
    expect(response.statusCode).toBe(400)
    expect(faults('error', body)).toBe('')
    expect(body.error.message).toMatch(message)
    expect((await read('/v1/policies')).body.policies).toEqual([])
  })

  it('are not taken from a page that was led here, nor without the token where there is one', async () => {
    const rebound = await restOf().api.inject(put('web.example', { share: '' }, { host: 'evil.example' }))
    expect([rebound.statusCode, JSON.parse(rebound.body).error.code]).toEqual([403, 'EHOST'])
    const guarded = restOf('secret').api
    expect((await guarded.inject(put('web.example', { share: '' }))).statusCode).toBe(401)
    const authorization = 'Bearer secret'
    expect((await guarded.inject(put('web.example', { share: '' }, { authorization }))).statusCode).toBe(200)
  })

  it('take JSON alone', async () => {
    const { api } = restOf()
    for (const [type, payload] of [
      ['application/json', '{'],
      ['application/json', `{"share":"${' '.repeat(5000)}"}`],
      ['text/plain', '{"share":""}'],
    ] as const) {
      const response = await api.inject({
        method: 'PUT',
        url: '/v1/policies/web.example',
        payload,
        headers: { 'content-type': type },
      })
      expect([400, 413]).toContain(response.statusCode)
      expect(faults('error', JSON.parse(response.body))).toBe('')
    }
  })
})

describe('the schemas of the REST', () => {
  it('say when something is missing, wrong or too much', () => {
    expect(faults('error', {})).toContain("must have required property 'error'")
    expect(faults('services', { services: [{}] })).toContain('must have required property')
    expect(faults('services', { services: [], more: 1 })).toContain('must NOT have additional properties')
  })

  it('are all held to what the REST shows', () => {
    const names = readdirSync('src/schemas').filter(file => file.startsWith('rest-'))
    expect(names.map(file => file.replace(/^rest-|\.schema\.json$/g, ''))).toEqual([
      'error',
      'health',
      'hosts',
      'instances',
      'policies',
      'routers',
      'service',
      'services',
    ])
  })
})

describe('the REST on its address', () => {
  let controller: RunningController | undefined

  afterEach(() => controller?.close(0))

  it('answers over HTTP, and survives what is none', async () => {
    controller = await startController({ control: false, api: { address: '127.0.0.1', port: 0 } })
    const { url, port } = controller.addresses.api!
    const bad = connect(port, '127.0.0.1')
    bad.write('\x16\x03\x01 not HTTP\r\n\r\n')
    const answer = await new Promise<string>(resolve => bad.on('data', chunk => resolve(String(chunk))))
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    bad.destroy()
    const response = await fetch(`${url}/v1/health`)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toMatchObject({ status: 'ok', controller: controller.controller })
  })
})
