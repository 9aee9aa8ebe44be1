/**
 * Every cell of the migration table, against the paper's RSYN exchange as the wire specification has it ("Migration");
 * and against a flow that was brought there by a peer that says only what the test says.
 */
import { describe, expect, it } from 'vitest'
import { CANDIDATE_LIMIT } from '../../../src/flow/migration.ts'
import { type MigrationInput, migrationInputs, migrationTable } from '../../../src/flow/migration-table.ts'
import { type MigrationState, migrationStates } from '../../../src/flow/states.ts'
import type { Link } from '../../support/simulator/link.ts'
import { Puppet } from '../../support/simulator/puppet.ts'
import { SERVICE } from '../../support/simulator/scenes.ts'
import type { SimFlow } from '../../support/simulator/sim-flow.ts'
import type { SimHost } from '../../support/simulator/sim-host.ts'
import { simulate, type World } from '../../support/simulator/world.ts'
import { describeTable } from '../../support/transition-table.ts'

/** What is not named here is ignored and counted. A line is state, input, next state, actions. */
const EXPECTED = `
# A new address: RSYN goes from it, whatever else goes on. A newer one replaces it.
INITIAL move RSYN_SENT sendRsyn
RSYN_SENT move RSYN_SENT sendRsyn
NOADDRESS move RSYN_SENT sendRsyn
# What the peer has asked is answered from there, too: an echo counts only where its challenge came from.
RSYN_RECV move RSYN_SENT_RECV sendRsyn challenge
RSYN_SENT_RECV move RSYN_SENT_RECV sendRsyn challenge
NOADDRESS_RSYN_RECV move RSYN_SENT_RECV sendRsyn challenge
# No address: nothing can be sent. What the peer has begun is kept in mind.
INITIAL lost NOADDRESS suspend
RSYN_SENT lost NOADDRESS suspend
RSYN_RECV lost NOADDRESS_RSYN_RECV suspend
RSYN_SENT_RECV lost NOADDRESS_RSYN_RECV suspend
# The peer moves: each copy of RSYN makes its source a candidate, which is challenged.
INITIAL RSYN RSYN_RECV challenge
RSYN_SENT RSYN RSYN_SENT_RECV challenge
RSYN_RECV RSYN RSYN_RECV challenge
RSYN_SENT_RECV RSYN RSYN_SENT_RECV challenge
NOADDRESS RSYN NOADDRESS_RSYN_RECV remember
NOADDRESS_RSYN_RECV RSYN NOADDRESS_RSYN_RECV remember
# The peer has heard of this end's new address and asks for the echo: the address works, and is used from now on.
RSYN_SENT RSYN_ACK RSYN_SENT adoptOwn sendEcho
RSYN_SENT_RECV RSYN_ACK RSYN_SENT_RECV adoptOwn sendEcho
# It asks again because the echo was lost, when this end knows already that all is done.
INITIAL RSYN_ACK INITIAL sendEcho
RSYN_RECV RSYN_ACK RSYN_RECV sendEcho
# The peer uses the new address.
RSYN_SENT confirmed INITIAL endMove moved
RSYN_SENT_RECV confirmed RSYN_RECV endMove moved
# The peer's new address is proven. Our own move goes on, to there.
RSYN_RECV echo INITIAL adoptPeer confirm moved
RSYN_SENT_RECV echo RSYN_SENT adoptPeer confirm moved
# It is not proven in time: the path in use stays.
RSYN_RECV expired INITIAL
RSYN_SENT_RECV expired RSYN_SENT
`

const cells = describeTable({
  name: 'migration',
  states: migrationStates,
  inputs: migrationInputs,
  table: migrationTable,
  expected: EXPECTED,
  otherwise: () => 'ignored',
})

// ---- the same through a flow ------------------------------------------------------------------------------------------

interface Stage {
  readonly world: World
  readonly near: Link
  readonly far: Link
  readonly puppet: Puppet
  readonly host: SimHost
  readonly flow: SimFlow
}

/** A connected flow of a host that has one address; the puppet is its server. */
function connected(): Stage {
  const world = simulate(5)
  const near = world.link('near', { delayMs: 2 })
  const far = world.link('far', { delayMs: 2 })
  const puppet = new Puppet(world, 'puppet', near, 'server')
  const host = world.host('host', near)
  host.rule(SERVICE, { type: 'FORWARD', targets: [{ endpoint: puppet.port.endpoint }] })
  const flow = host.connect(SERVICE)
  world.run(25)
  puppet.synAck()
  world.run(25)
  puppet.ack()
  world.run(25)
  puppet.take()
  return { world, near, far, puppet, host, flow }
}

const CHALLENGE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
/** Three times the time-out of a path that has no sample. */
const EXPIRY_MS = 3000

const give: Record<MigrationInput, (stage: Stage) => void> = {
  move: ({ host, flow, far }) => {
    const waits = flow.flow.waitsForAddress
    const port = host.attach(far)
    // An end without an address takes one by itself.
    if (!waits) host.migrate(flow, port)
  },
  lost: ({ host }) => {
    for (const port of host.attached) host.detach(port)
  },
  RSYN: ({ puppet, far }) => {
    puppet.port = puppet.attach(far)
    puppet.rsyn()
  },
  RSYN_ACK: ({ puppet }) => puppet.rsynAck(CHALLENGE),
  confirmed: ({ puppet }) => puppet.ack(),
  echo: ({ puppet }) => puppet.echoNewest(),
  expired: ({ world }) => world.run(EXPIRY_MS),
}

function then(stage: Stage, ...inputs: readonly MigrationInput[]): Stage {
  for (const input of inputs) {
    give[input](stage)
    stage.world.run(25)
  }
  return stage
}

const reach: Record<MigrationState, () => Stage> = {
  INITIAL: connected,
  RSYN_SENT: () => then(connected(), 'move'),
  RSYN_RECV: () => then(connected(), 'RSYN'),
  RSYN_SENT_RECV: () => then(connected(), 'RSYN', 'move'),
  NOADDRESS: () => then(connected(), 'lost'),
  NOADDRESS_RSYN_RECV: () => then(connected(), 'RSYN', 'lost'),
}

const stateOf = ({ flow }: Stage) => flow.flow.info().migrationState

describe('a flow', () => {
  for (const { state, input, transition: cell } of cells) {
    // Without an address nothing comes; an echo needs a challenge; and nothing is confirmed before RSYN-ACK.
    const comes = !state.startsWith('NOADDRESS') || input === 'move'
    if (!comes || cell === undefined || input === 'confirmed') continue
    it(`in ${state} that is given ${input} is in ${cell[0]}`, () => {
      const stage = reach[state]()
      expect(stateOf(stage)).toBe(state)
      stage.flow.events.length = 0
      then(stage, input)
      expect(stateOf(stage)).toBe(cell[0])
      stage.world.run(1)
      expect(stage.flow.events.includes('moved')).toBe(cell.includes('moved'))
      expect(stage.flow.events.includes('stalled')).toBe(cell.includes('suspend'))
    })
  }

  it('is confirmed by what comes after RSYN-ACK: out of RSYN_SENT, and out of RSYN_SENT_RECV', () => {
    const alone = then(reach.RSYN_SENT(), 'RSYN_ACK', 'confirmed')
    expect(stateOf(alone)).toBe('INITIAL')
    const both = then(reach.RSYN_SENT_RECV(), 'RSYN_ACK', 'confirmed')
    expect(stateOf(both)).toBe('RSYN_RECV')
  })

  it('is not confirmed by what comes before RSYN-ACK, by an echo, or by what does not know of the RSYN', () => {
    const stage = then(reach.RSYN_SENT(), 'confirmed')
    expect(stateOf(stage)).toBe('RSYN_SENT')
    then(stage, 'RSYN_ACK')
    stage.puppet.echo(CHALLENGE)
    stage.world.run(25)
    expect(stateOf(stage)).toBe('RSYN_SENT')
    stage.puppet.ack({ ackno: stage.puppet.ackno - 1 })
    stage.world.run(25)
    expect(stateOf(stage)).toBe('RSYN_SENT')
    then(stage, 'confirmed')
    expect(stateOf(stage)).toBe('INITIAL')
  })

  it('answers each RSYN with a challenge of its own, to where it came from', () => {
    const stage = then(connected(), 'RSYN')
    const first = stage.puppet.challenge
    expect(stage.puppet.take()).toEqual(['RSYN+ACK challenge'])
    then(stage, 'RSYN')
    expect(stage.puppet.take()).toEqual(['RSYN+ACK challenge'])
    expect(stage.puppet.challenge).not.toEqual(first)
  })

  it('keeps four candidates, the newest', () => {
    const stage = connected()
    const homes = Array.from({ length: CANDIDATE_LIMIT + 2 }, () => {
      then(stage, 'RSYN')
      return { port: stage.puppet.port, challenge: stage.puppet.challenge! }
    })
    const prove = (index: number) => {
      stage.puppet.port = homes[index]!.port
      stage.puppet.echo(homes[index]!.challenge)
      stage.world.run(25)
      return stage.flow.flow.activePath?.remote.address === homes[index]!.port.endpoint.address
    }
    expect(prove(0)).toBe(false)
    expect(prove(1)).toBe(false)
    expect(prove(2)).toBe(true)
    expect(stage.host.sal.counters.candidateDropped).toBe(2)
  })

  it('keeps the newer candidates when an older one is proven, and takes them when they are', () => {
    const stage = then(connected(), 'RSYN')
    const older = { port: stage.puppet.port, challenge: stage.puppet.challenge! }
    then(stage, 'RSYN')
    const newer = { port: stage.puppet.port, challenge: stage.puppet.challenge! }
    for (const { port, challenge } of [older, newer]) {
      stage.puppet.port = port
      stage.puppet.echo(challenge)
      stage.world.run(25)
      expect(stage.flow.flow.activePath?.remote).toEqual(port.endpoint)
    }
    expect(stateOf(stage)).toBe('INITIAL')
  })

  it('does not go back to an older candidate once a newer one is proven', () => {
    const stage = then(connected(), 'RSYN')
    const older = { port: stage.puppet.port, challenge: stage.puppet.challenge! }
    then(stage, 'RSYN', 'echo')
    const { remote } = stage.flow.flow.activePath!
    stage.puppet.port = older.port
    stage.puppet.echo(older.challenge)
    stage.world.run(25)
    expect(stage.flow.flow.activePath?.remote).toEqual(remote)
    expect(stage.host.sal.counters.echoUnknown).toBe(1)
  })

  it('takes no echo from another address than the challenged one', () => {
    const stage = then(connected(), 'RSYN')
    const value = stage.puppet.challenge!
    stage.puppet.port = stage.puppet.attach(stage.far)
    stage.puppet.echo(value)
    stage.world.run(25)
    expect(stateOf(stage)).toBe('RSYN_RECV')
  })

  it('goes back to the last proven path when a candidate is not proven in time', () => {
    const stage = connected()
    const { remote } = stage.flow.flow.activePath!
    then(stage, 'RSYN', 'expired')
    expect(stateOf(stage)).toBe('INITIAL')
    expect(stage.flow.flow.activePath?.remote).toEqual(remote)
  })

  it('that moves again and again asks a candidate no more often than three times what came from it allows', () => {
    const stage = then(connected(), 'RSYN')
    stage.puppet.take()
    for (let i = 0; i < 6; i++) stage.host.migrate(stage.flow, stage.host.attach(stage.far))
    stage.world.run(25)
    // One RSYN came, and one RSYN-ACK went before; two are 136 bytes of 168.
    expect(stage.puppet.take().filter(line => line.startsWith('RSYN+ACK'))).toEqual(['RSYN+ACK challenge'])
  })

  it('that has no address drops what the peer asks for no more than it keeps', () => {
    const stage = then(reach.NOADDRESS_RSYN_RECV(), 'move')
    stage.world.run(25)
    expect(stage.puppet.take()).toEqual(expect.arrayContaining(['RSYN', 'RSYN+ACK challenge']))
  })
})
