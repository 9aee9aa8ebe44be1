/** A router is replaced while others use it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeInLab } from '../../support/lab/describe-in-lab.ts'
import { Lab } from '../../support/lab/lab.ts'
import type { Program } from '../../support/lab/program.ts'
import { syn } from '../../support/router-trace.ts'

const SERVER_PORT = 7000
const REPORTS_PORT = 9000
const ROUTER_PORT = 54325

describeInLab('a router under load', () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab({ families: [4] })
  })
  afterEach(() => lab.close())

  function startRouter(...args: readonly string[]): Program {
    const rule = `web.example FORWARD ${lab.alpha.address()}:${SERVER_PORT}`
    const place = ['--bind', lab.router.address(), '--workers', '2', '--rule', rule]
    return lab.router.serval(['router', '--json', ...place, ...args])
  }

  /** SYNs by way of the router, as many as come through; and `came`, which resolves when that many more have. */
  async function startLoad() {
    const reports = [lab.client.address(4, 'wifi'), `${REPORTS_PORT}`]
    const taker = lab.alpha.run('packets.js', ['take', lab.alpha.address(), `${SERVER_PORT}`, ...reports])
    await taker.event('ready')
    const packet = Buffer.from(syn()).toString('hex')
    const way = ['send', lab.router.address(), `${ROUTER_PORT}`, ...reports, packet]
    const sender = lab.client.run('packets.js', way)
    const came = (more: number) => {
      const before = sender.all('came').at(-1)?.came ?? 0
      return sender.event('came', event => event.came >= before + more)
    }
    return { sender, came }
  }

  it('is replaced, and loses none of the SYNs that come meanwhile', async () => {
    const old = startRouter('--grace', '1')
    await old.event('ready')
    const { sender, came } = await startLoad()
    await came(1000)
    const heir = startRouter('--take-over')
    await heir.event('ready')
    await came(1000)
    expect(await old.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    await came(1000)
    sender.say('stop')
    expect(await sender.event('stopped')).toMatchObject({ lost: 0 })
  })

  it('that is killed loses some: the count of the test above would show it', async () => {
    const old = startRouter()
    await old.event('ready')
    const { sender, came } = await startLoad()
    await came(1000)
    await old.stop('SIGKILL')
    sender.say('stop')
    expect((await sender.event('stopped')).lost).toBeGreaterThan(0)
  })
})
