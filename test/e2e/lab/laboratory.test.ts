/** The laboratory itself: what the tests in it take for granted. */
import { execFileSync } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { describeInLab } from '../../support/lab/describe-in-lab.ts'
import { Lab } from '../../support/lab/lab.ts'

describeInLab('the laboratory', () => {
  let lab: Lab
  afterEach(() => lab.close())

  it('routes between all hosts, over both families', async () => {
    lab = new Lab()
    const { client, router, alpha, beta } = lab
    const ways = [router, alpha, beta].flatMap(host =>
      ([4, 6] as const).flatMap(family =>
        ['wifi', 'cell'].map(name => [client.address(family, name), host.address(family)]),
      ),
    )
    const answers = await Promise.all(ways.map(way => client.run('probe.js', way).event('answer')))
    expect(answers.map(({ code }) => code)).toEqual(ways.map(() => 'ECONNREFUSED'))
  })

  it('sends from each address by its own interface, and gives a deleted one back whole', async () => {
    lab = new Lab({ families: [4] })
    const { client, alpha } = lab
    const ask = (name: string) =>
      client.run('probe.js', [client.address(4, name), alpha.address()]).event('answer')
    const sentBy = (name: string) => client.traffic(name).sentBytes
    const before = { wifi: sentBy('wifi'), cell: sentBy('cell') }
    expect(await ask('cell')).toMatchObject({ code: 'ECONNREFUSED' })
    expect(sentBy('wifi')).toBe(before.wifi)
    expect(sentBy('cell')).toBeGreaterThan(before.cell)
    client.deleteAddress('wifi')
    expect(await ask('wifi')).toMatchObject({ code: 'EADDRNOTAVAIL' })
    client.restoreAddress('wifi')
    expect(await ask('wifi')).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('leaves nothing behind', async () => {
    lab = new Lab()
    const program = lab.alpha.run('probe.js', ['--wait'])
    await program.event('ready')
    lab.close()
    expect((await program.exited).signal).toBe('SIGKILL')
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(`svlab-${process.pid}-`)
  })

  it('says what a program said when it did not say what was expected', async () => {
    lab = new Lab({ families: [4] })
    const probe = lab.client.run('probe.js', [lab.client.address(4, 'wifi'), lab.alpha.address()])
    await expect(probe.event('success')).rejects.toThrow(/ended \(0\) without "success"[\s\S]*ECONNREFUSED/)
  })

  it('runs a program as nobody', async () => {
    lab = new Lab({ families: [4] })
    const probe = lab.alpha.run('probe.js', ['--wait'], { isUnprivileged: true })
    expect(await probe.event('ready')).toMatchObject({ uid: 65_534, capabilities: '0000000000000000' })
  })
})
