/** What a program writes, and the service that it means. */
import { describe, expect, it } from 'vitest'
import { splitArguments, type TargetOptions } from '../../../src/sockets/arguments.ts'
import { type HttpTarget, targetOfRequest } from '../../../src/sockets/http-target.ts'
import { connectTarget, listenTarget } from '../../../src/sockets/target.ts'

const RAW = `0x${'ab'.repeat(32)}`

describe('the arguments of connect mean', () => {
  it.each([
    [['web.example'], 'web.example'],
    [['Web.Example'], 'web.example'],
    [[RAW], `x-${'ab'.repeat(32)}`],
    [[{ service: 'web.example' }], 'web.example'],
    [[{ service: 'web.example', port: 80, host: '10.0.0.1' }], 'web.example'],
    [[8080], '8080.localhost.inet'],
    [['8080'], '8080.localhost.inet'],
    [[8080, ''], '8080.localhost.inet'],
    [[8080, '127.0.0.1'], '8080.localhost.inet'],
    [[8080, '::1'], '8080.localhost.inet'],
    [[8080, '0.0.0.0'], '8080.localhost.inet'],
    [[8080, '10.0.0.1'], '8080.10-0-0-1.inet'],
    [[8080, 'db.lan'], '8080.db.lan.inet'],
    [[{ port: 8080, host: 'fd00::7' }], '8080.fd00--7.inet'],
    [[8080, '10.0.0.1', () => undefined], '8080.10-0-0-1.inet'],
  ])('%j: %s', (args, service) => {
    const { options } = splitArguments<TargetOptions>(args)
    expect(connectTarget(options).service).toBe(service)
    expect(listenTarget(options).service).toBe(service)
  })

  it.each([
    [{}, 'ERR_MISSING_ARGS'],
    [{ host: 'web.example' }, 'ERR_MISSING_ARGS'],
    [{ port: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
    [{ service: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ service: 'not a name' }, 'ESERVICENAME'],
    [{ service: '' }, 'ESERVICENAME'],
    [{ port: 80, host: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: '/run/x.sock' }, 'ERR_INVALID_ARG_VALUE'],
  ])('%j: %s', (options, code) => {
    expect(() => connectTarget(options as TargetOptions)).toThrow(expect.objectContaining({ code }))
  })
})

describe('the host of a port', () => {
  it.each([
    [{ port: 80, host: 'not a host' }, 'not a host'],
    [{ port: 80, host: 'db.lan', lookup: () => undefined }, 'db.lan'],
    [{ port: 80 }, 'localhost'],
    [{ port: 80, host: 'db.lan' }, undefined],
    [{ port: 80, host: '10.0.0.1', lookup: () => undefined }, undefined],
  ])('%j: to be found is %s', (options, host) => {
    expect(connectTarget(options).hostToFind).toBe(host)
  })
})

describe('a port that is a service by its name', () => {
  it('is a port', () => {
    expect(connectTarget({ service: '8080.localhost.inet' })).toMatchObject({ port: 8080, host: 'localhost' })
  })
})

describe('an HTTP request is for', () => {
  it.each<[HttpTarget, TargetOptions]>([
    [{ service: 'web.example', host: 'other.example', port: 8080 }, { service: 'web.example' }],
    [{ host: 'web.example' }, { service: 'web.example' }],
    [{ host: 'web.example', port: 80 }, { service: 'web.example' }],
    [{ host: 'web.example', port: '' }, { service: 'web.example' }],
    [{ host: 'web' }, { service: 'web' }],
    [
      { host: 'web.example', port: 8080 },
      { port: 8080, host: 'web.example' },
    ],
    [{ host: 'localhost' }, { port: 80, host: 'localhost' }],
    [
      { host: 'localhost', port: '3000' },
      { port: '3000', host: 'localhost' },
    ],
    [
      { host: '127.0.0.1', port: 3000 },
      { port: 3000, host: '127.0.0.1' },
    ],
    [
      { host: '[::1]', port: 3000 },
      { port: 3000, host: '::1' },
    ],
    [{ port: 3000 }, { port: 3000, host: 'localhost' }],
    [{}, { port: 80, host: 'localhost' }],
  ])('%j: %j', (target, expected) => {
    expect(targetOfRequest(target)).toEqual(expected)
  })
})
