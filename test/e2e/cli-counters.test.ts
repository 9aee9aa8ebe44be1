/** `serval counters`, of routers and programs that run. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliWorld, schemaErrors } from '../support/cli.ts'

let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.close())

interface Counters {
  readonly processes: readonly { readonly counters: Readonly<Record<string, number>> }[]
}

describe('what became of packets', () => {
  it.each(['0', '1'])('shows while a router of %s workers runs', async workers => {
    const drop = ['--rule', 'closed.example DROP', '--workers', workers]
    const router = await world.start(['router', '--bind', '127.0.0.1:0', ...drop, '--json'])
    const { udp } = (await router.firstJson()) as { udp: string[] }
    const env = { SERVAL_ROUTER: udp[0] }
    await world.run(['ping', '-c', '3', '-i', '0', 'closed.example'], { env })
    await world.run(['ping', '-c', '1', 'nobody.example'], { env })
    const { stdout } = await world.run(['counters'])
    expect(stdout).toMatch(/^COUNTER +COUNT +MEANING +PROGRAM +PID\n/)
    expect(stdout).toMatch(
      new RegExp(`^droppedByRule +\\d+ +refused by a rule DROP +serval router +${router.pid}$`, 'm'),
    )
    expect(stdout).toMatch(/^noService +[1-9]/m)
    expect(stdout, 'what never happened').not.toContain('notAllowed')
    const json = await world.json<Counters>(['counters', '--of', String(router.pid)])
    expect(schemaErrors('counters', json)).toBe('')
    // On a slow machine a SYN is repeated before its answer has come.
    const { droppedByRule = 0, noService = 0, nacks, notAllowed } = json.processes[0]!.counters
    expect(droppedByRule).toBeGreaterThanOrEqual(3)
    expect({ nacks, notAllowed }).toEqual({ nacks: droppedByRule + noService, notAllowed: 0 })
  })

  it('tells of hosts that may not send through a router', async () => {
    const router = await world.start(['router', '--bind', '127.0.0.1:0', '--allow', '192.0.2.0/24', '--json'])
    const { udp } = (await router.firstJson()) as { udp: string[] }
    await world.run(['ping', '-c', '1', 'web.example'], { env: { SERVAL_ROUTER: udp[0] } })
    expect((await world.run(['counters'])).stdout).toMatch(/^notAllowed +[1-9]/m)
  })

  it('is said to be nothing where nothing runs', async () => {
    expect(await world.run(['counters'])).toMatchObject({
      status: 0,
      stdout: '',
      stderr: `serval: nothing counted (asked ${world.runtimeDir})\n`,
    })
  })
})
