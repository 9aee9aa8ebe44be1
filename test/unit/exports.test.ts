/**
 * The public contract (README): what each entry point exports, exactly. A name that goes or comes is seen here first;
 * consumer.ts holds the types, as a program in TypeScript uses them.
 */
import nodeDgram from 'node:dgram'
import nodeHttp from 'node:http'
import nodeNet from 'node:net'
import * as serval from 'serval'
import * as dgram from 'serval/dgram'
import * as http from 'serval/http'
import * as net from 'serval/net'
import { describe, expect, it } from 'vitest'
import { talk } from './consumer.ts'

const ofNode = (module: object) => Object.keys(module).filter(name => !name.startsWith('_'))

describe('the entry point', () => {
  it('serval exports the stack, the tables, names and errors', () => {
    expect(Object.keys(serval).sort()).toEqual([
      'ServalError',
      'ServiceId',
      'ServicePrefix',
      'ServiceTable',
      'Stack',
      'errors',
      'formatRule',
      'openStack',
      'parsePortService',
      'parseRule',
      'parseServiceName',
      'parseServicePattern',
      'portServiceName',
      'serviceIdOf',
      'version',
    ])
  })

  it('serval/net exports what node:net does, and the same by default', () => {
    // Old packages ask for two of those that are not for everybody.
    const names = [...ofNode(nodeNet), '_normalizeArgs', '_setSimultaneousAccepts'].sort()
    expect(Object.keys(net).sort()).toEqual([...names, 'default'].sort())
    expect(Object.keys(net.default).sort()).toEqual(names)
    expect(net.default.Socket).toBe(net.Socket)
    expect(net.Stream).toBe(net.Socket)
    expect(net.createConnection).toBe(net.connect)
  })

  it('serval/dgram exports what node:dgram does, and the same by default', () => {
    const names = ofNode(nodeDgram).sort()
    expect(Object.keys(dgram).sort()).toEqual([...names, 'default'].sort())
    expect(Object.keys(dgram.default).sort()).toEqual(names)
  })

  it('serval/http exports what node:http does and a dispatcher, and the same by default', () => {
    const names = [...ofNode(nodeHttp), 'dispatcher'].sort()
    expect(
      Object.keys(http)
        .filter(name => !name.startsWith('_'))
        .sort(),
    ).toEqual([...names, 'default'].sort())
    expect(ofNode(http.default).sort()).toEqual(names)
  })

  it('serval/http leaves nothing that connects or listens to the kernel', () => {
    const names = [
      'Agent',
      'ClientRequest',
      'Server',
      'createServer',
      'get',
      'globalAgent',
      'request',
    ] as const
    const ours = names.filter(name => http.default[name] !== nodeHttp[name])
    expect(ours).toEqual(names)
  })
})

describe('a program in TypeScript', () => {
  it('talks by name', async () => {
    expect(await talk('typed.example')).toEqual(['hello', 'typed.example', '200 hello over http'])
  })
})
