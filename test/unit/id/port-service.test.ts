import { describe, expect, it } from 'vitest'
import { parsePortService, portServiceName } from '../../../src/id/port-service.ts'

describe('a number where a port stands', () => {
  it('means a service of the host', () => {
    expect(portServiceName(8080, '10.0.0.1')).toBe('8080.10-0-0-1.inet')
    expect(portServiceName(443, 'FD00:0:0::7')).toBe('443.fd00--7.inet')
    expect(portServiceName(80, 'fe80::1%eth0')).toBe('80.fe80--1.inet')
    expect(portServiceName(80, 'My-Host')).toBe('80.my-host.inet')
    expect(portServiceName(80, 'db.lan')).toBe('80.db.lan.inet')
  })

  it('means localhost for every way to say so', () => {
    for (const host of [
      undefined,
      '',
      'localhost',
      'LOCALHOST',
      '127.0.0.1',
      '127.8.9.10',
      '::1',
      '0:0:0:0:0:0:0:1',
      '::ffff:127.0.0.1',
      '0.0.0.0',
      '::',
    ]) {
      expect(portServiceName(8080, host), host).toBe('8080.localhost.inet')
    }
  })

  it('takes an IPv4 address inside of an IPv6 one for itself', () => {
    expect(portServiceName(1, '::ffff:10.0.0.1')).toBe('1.10-0-0-1.inet')
  })

  it('is 1 to 65535', () => {
    expect(portServiceName(1)).toBe('1.localhost.inet')
    expect(portServiceName(65535)).toBe('65535.localhost.inet')
    for (const port of [0, -1, 65536, 1.5, Number.NaN]) {
      expect(() => portServiceName(port)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }))
    }
  })

  it('needs a host that can be a name', () => {
    for (const host of ['my host', 'a..b', '[::1]', 'x'.repeat(64)]) {
      expect(() => portServiceName(80, host), host).toThrow(expect.objectContaining({ code: 'ESERVICENAME' }))
    }
  })

  it('is found again in the name', () => {
    expect(parsePortService('8080.10-0-0-1.inet')).toEqual({ port: 8080, host: '10-0-0-1' })
    expect(parsePortService('80.db.lan.inet')).toEqual({ port: 80, host: 'db.lan' })
    for (const name of [
      'web.example',
      'inet',
      '80.inet',
      '080.a.inet',
      '0.a.inet',
      '65536.a.inet',
      '80.a.inet.x',
    ]) {
      expect(parsePortService(name), name).toBeUndefined()
    }
  })
})
