/** A client behind a NAT that lets in nobody but whom it has sent to, and a router outside. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeInLab } from '../../support/lab/describe-in-lab.ts'
import { Lab } from '../../support/lab/lab.ts'
import { natLack } from '../../support/lab/nat.ts'
import { startNetwork } from '../../support/lab/network.ts'

const LINE = 'line.lab.example'
const SERVER_PORT = 7000

const lack = natLack()
const title = lack === undefined ? 'a client behind a NAT' : `a client behind a NAT (skipped, ${lack})`

describeInLab(title, () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab({ families: [4] })
  })
  afterEach(() => lab.close())

  /** The settings of a client that has no other way than by the NAT. */
  function clientEnv(): Record<string, string> {
    return { SERVAL_BIND: lab.client.address(4, 'wifi'), SERVAL_ROUTER: lab.router.address() }
  }

  /** By a rule of the router's: server and router know nothing of each other. */
  async function startStrangers(program: string) {
    const place = `${lab.alpha.address()}:${SERVER_PORT}`
    const server = lab.alpha.run(program, ['serve', LINE], { env: { SERVAL_BIND: place } })
    await server.event('ready')
    const rule = `${LINE} FORWARD ${place}`
    const router = lab.router.serval(['router', '--bind', lab.router.address(), '--rule', rule, '--json'])
    await router.event('ready')
    return server
  }

  /** Both are known to a controller, and so the router's word is taken. */
  async function startFriends(program: string) {
    const { env } = await startNetwork(lab)
    const server = lab.alpha.run(program, ['serve', LINE], { env })
    await server.event('ready')
    return server
  }

  for (const [who, start] of [
    ['does not know the router', startStrangers],
    ['knows the router', startFriends],
  ] as const) {
    for (const [ports, how] of [
      ['kept', 'keeps its port'],
      ['each', 'gives it another port for each place'],
    ] as const) {
      it.skipIf(lack !== undefined)(`that ${how} reaches a server that ${who}`, async () => {
        const outside = lab.translateWifi({ ports })
        const server = await start('line.js')
        const client = lab.client.run('line.js', ['call', LINE], { env: clientEnv() })
        await client.event('ready')
        client.say('call')
        expect(await client.event('connected')).toMatchObject({ remote: lab.alpha.address() })
        expect(await server.event('connected')).toMatchObject({ remote: outside })
        const atRouter = lab.router.datagrams().received
        client.say('write to')
        await server.event('read', ({ text }) => text === 'to')
        server.say('write and fro')
        await client.event('read', ({ text }) => text === 'and fro')
        expect(lab.router.datagrams().received).toBe(atRouter)
      })
    }
  }

  it.skipIf(lack !== undefined)('goes on with a flow that the NAT has forgotten', async () => {
    lab.translateWifi({ ports: 'each', patienceSeconds: 3 })
    const server = await startStrangers('line.js')
    const client = lab.client.run('line.js', ['call', LINE], { env: clientEnv() })
    await client.event('ready')
    client.say('call')
    await client.event('connected')
    await lab.forgotten()
    client.say('write still here')
    await server.event('read', ({ text }) => text === 'still here')
    server.say('write so am I')
    await client.event('read', ({ text }) => text === 'so am I')
  })

  it.skipIf(lack !== undefined)('exchanges messages with a service that it has connected to', async () => {
    lab.translateWifi({ ports: 'each' })
    await startStrangers('message.js')
    const client = lab.client.run('message.js', ['call', LINE], { env: clientEnv() })
    await client.event('ready')
    client.say('connect')
    await client.event('connected')
    client.say('say hello')
    expect(await client.event('message')).toMatchObject({ text: 'hello!', address: lab.alpha.address() })
  })

  it.skipIf(lack !== undefined)(
    'has messages without a connection reach a service by way of the router',
    async () => {
      lab.translateWifi({ ports: 'each' })
      const server = await startStrangers('message.js')
      const client = lab.client.run('message.js', ['call', LINE], { env: clientEnv() })
      await client.event('ready')
      client.say('send hello')
      expect(await server.event('message')).toMatchObject({ text: 'hello', address: lab.router.address() })
    },
  )
})
