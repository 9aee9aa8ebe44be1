import { createSocket } from 'node:dgram'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { BusyPoll } from '../../../src/net/busy-poll.ts'
import { nowMs } from '../../../src/net/clock.ts'
import { type Core, Driver } from '../../../src/net/driver.ts'
import type { Link } from '../../../src/net/links/link.ts'
import { emitShim } from '../../../src/wire/encapsulation.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import type { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

const REMOTE: Endpoint = { address: '10.0.0.9', port: 9 }

/** A core that does as it is told, and notes what was done to it. */
class ScriptedCore implements Core<string> {
  readonly log: string[] = []
  readonly events: string[] = []
  nextTimeoutAt = Number.POSITIVE_INFINITY
  readonly held = new Set<number>()
  isUrgent = false
  batches = 0
  onTimeout: () => void = () => undefined

  handleDatagram(_buffer: Uint8Array, length: number, localId: number): void {
    this.log.push(`datagram ${length} at ${localId}`)
  }

  handleTimeout(): void {
    this.log.push('timeout')
    this.nextTimeoutAt = Number.POSITIVE_INFINITY
    this.onTimeout()
  }

  pollEvent(): string | undefined {
    return this.events.shift()
  }

  pollTransmit(batch: TransmitBatch): boolean {
    if (this.batches === 0 || this.held.has(1)) return false
    this.batches--
    batch.buffer[0] = this.batches
    batch.length = batch.segmentBytes = 1
    batch.packets = 1
    batch.localId = 1
    batch.remote = REMOTE
    return true
  }

  hold(localId: number, isHeld: boolean): void {
    if (isHeld) this.held.add(localId)
    else this.held.delete(localId)
  }
}

/** A link that notes what it gets; `capacity` batches fill it. */
class ScriptedLink implements Link {
  readonly id = 1
  readonly endpoint: Endpoint = { address: '10.0.0.1', port: 1 }
  readonly kept: Uint8Array[] = []
  readonly log: string[]
  capacity = Number.POSITIVE_INFINITY
  isRef = true
  onSend: () => void = () => undefined

  constructor(log: string[]) {
    this.log = log
  }

  get full(): boolean {
    return this.kept.length >= this.capacity
  }

  get queuedBytes(): number {
    return this.kept.length
  }

  send(batch: TransmitBatch): boolean {
    this.log.push(`send ${batch.buffer[0]}`)
    this.onSend()
    if (this.capacity === Number.POSITIVE_INFINITY) return true
    this.kept.push(batch.buffer)
    return false
  }

  hold(isRef: boolean): void {
    this.isRef = isRef
  }

  close(): void {}
}

function open(onEvent: (event: string) => void = () => undefined) {
  const core = new ScriptedCore()
  const link = new ScriptedLink(core.log)
  const driver = new Driver<string>(core, event => {
    core.log.push(`event ${event}`)
    onEvent(event)
  })
  driver.attach(link)
  return { core, link, driver }
}

/** Turns, until the core has nothing left: on a busy machine a drain may yield at any point. */
async function drained(core: ScriptedCore): Promise<void> {
  do await turn()
  while (core.events.length > 0 || core.batches > 0)
  await turn()
}

/** Until the end of the test time passes as the test says, however busy the machine is. */
function ownClock() {
  let time = nowMs()
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => time)
  onTestFinished(() => clock.mockRestore())
  return {
    pass(ms: number) {
      time += ms
    },
  }
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** What the next exception is that nobody catches; the test runner does not hear of it. */
function nextUncaught(): Promise<() => never> {
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  return new Promise(resolve => {
    process.once('uncaughtException', error => {
      for (const listener of others) process.on('uncaughtException', listener)
      resolve(() => {
        throw error
      })
    })
  })
}

describe('the driver', () => {
  it('sends what the program answers to a datagram before it returns', () => {
    ownClock()
    const { core, link, driver } = open(() => {
      core.batches++
      driver.wake()
    })
    core.events.push('a')
    driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    expect(core.log).toEqual(['datagram 5 at 1', 'event a', 'send 0'])
  })

  it('tells polling how many packets came, also where the kernel has made one datagram of them', () => {
    const heard = vi.spyOn(BusyPoll.prototype, 'handleDatagram')
    onTestFinished(() => heard.mockRestore())
    const { link, driver } = open()
    const merged = new Uint8Array(250)
    emitShim(merged, 0, 100)
    driver.onDatagram(link, merged, 250, REMOTE)
    driver.onDatagram(link, merged, 100, REMOTE)
    expect(heard.mock.calls.map(([, packets]) => packets)).toEqual([3, 1])
  })

  it('sends at once what the core holds for urgent', () => {
    ownClock()
    const { core, link, driver } = open()
    core.batches = 1
    core.isUrgent = true
    driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    expect(core.log).toEqual(['datagram 5 at 1', 'send 0'])
  })

  it('keeps what the program has not asked for until all datagrams of the turn are handled', async () => {
    const { core, link, driver } = open()
    core.events.push('a')
    core.batches = 1
    driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    driver.onDatagram(link, new Uint8Array(6), 6, REMOTE)
    expect(core.log).toEqual(['datagram 5 at 1', 'event a', 'datagram 6 at 1'])
    await drained(core)
    expect(core.log.slice(3)).toEqual(['send 0'])
  })

  it('takes in no more in a turn than a few milliseconds allow', async () => {
    const { link, driver } = open()
    const clock = ownClock()
    const startedAt = nowMs()
    const take = () => driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    while (!take()) {
      clock.pass(0.1)
      expect(nowMs() - startedAt, 'it goes on for ever').toBeLessThan(10)
    }
    expect(nowMs() - startedAt).toBeGreaterThanOrEqual(3)
    await turn()
    expect(take(), 'the next turn begins anew').toBe(false)
  })

  it('acknowledges a long burst in its midst', () => {
    const { core, link, driver } = open()
    ownClock()
    core.batches = 1
    for (let i = 0; i < 5; i++) driver.onDatagram(link, new Uint8Array(65_536), 65_536, REMOTE)
    const datagram = 'datagram 65536 at 1'
    expect(core.log).toEqual([datagram, datagram, datagram, datagram, 'send 0', datagram])
  })

  it('handles all datagrams of a turn, then tells the program, then sends', async () => {
    const { core, link, driver } = open()
    driver.wake()
    driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    core.events.push('a', 'b')
    core.batches = 2
    driver.onDatagram(link, new Uint8Array(6), 6, REMOTE)
    await drained(core)
    expect(core.log).toEqual(['datagram 5 at 1', 'datagram 6 at 1', 'event a', 'event b', 'send 1', 'send 0'])
  })

  it('sends what the program has answered before it tells of many events more: the peer need not wait for all of them', async () => {
    ownClock()
    const { core, link, driver } = open(() => {
      core.batches++
      driver.wake()
    })
    for (let i = 0; i < 20; i++) core.events.push(`${i}`)
    driver.onDatagram(link, new Uint8Array(1), 1, REMOTE)
    await drained(core)
    const sends = core.log.map((line, i) => (line.startsWith('send') ? i : -1)).filter(i => i >= 0)
    expect(sends).toHaveLength(20)
    expect(core.log.slice(0, sends[0]).filter(line => line.startsWith('event'))).toHaveLength(8)
    expect(core.log.at(-1)).toMatch(/^send/)
  })

  it('does what the program asks for as soon as its callback has returned', async () => {
    const { core, driver } = open()
    core.batches = 1
    driver.wake()
    expect(core.log).toEqual([])
    await new Promise<void>(resolve => process.nextTick(resolve))
    expect(core.log).toEqual(['send 0'])
  })

  it("serves a handler's own commands in the same turn", async () => {
    const { core, driver } = open(() => {
      core.batches++
      driver.wake()
    })
    core.events.push('a')
    driver.wake()
    await drained(core)
    expect(core.log).toEqual(['event a', 'send 0'])
  })

  it('wakes its core at the instant that it asks for, and not before', async () => {
    const { core, driver } = open()
    const at = nowMs() + 20
    core.nextTimeoutAt = at
    await new Promise<void>(resolve => {
      core.onTimeout = resolve
      driver.wake()
    })
    expect(nowMs()).toBeGreaterThanOrEqual(at)
  })

  it('heeds a deadline that moved closer', async () => {
    const { core, driver } = open()
    core.nextTimeoutAt = nowMs() + 60_000
    driver.wake()
    await turn()
    core.nextTimeoutAt = nowMs() + 5
    await new Promise<void>(resolve => {
      core.onTimeout = resolve
      driver.wake()
    })
    expect(core.log).toEqual(['timeout'])
  })

  it('hears what came while the program was busy before it takes timers for due', async () => {
    const { core, link, driver } = open()
    const socket = createSocket('udp4', datagram =>
      driver.onDatagram(link, datagram, datagram.length, REMOTE),
    )
    onTestFinished(() => void socket.close())
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
    const timedOut = new Promise<void>(resolve => {
      core.onTimeout = resolve
    })
    core.nextTimeoutAt = nowMs() + 5
    driver.wake()
    // Of a turn this is the end: what comes from now on is read in the next, after timers that are due.
    await turn()
    const sent = new Promise(resolve => socket.send('hello', socket.address().port, '127.0.0.1', resolve))
    for (const startedAt = nowMs(); nowMs() - startedAt < 50; )
      await new Promise<void>(resolve => process.nextTick(resolve))
    await Promise.all([sent, timedOut])
    expect(core.log).toEqual(['datagram 5 at 1', 'timeout'])
  })

  it('hears it where links take in at the end of a turn, too', async () => {
    const clock = ownClock()
    const { core, link, driver } = open()
    core.nextTimeoutAt = nowMs() + 5
    clock.pass(500)
    driver.wake()
    await new Promise<void>(resolve => process.nextTick(resolve))
    setImmediate(() => {
      driver.onDatagram(link, new Uint8Array(5), 5, REMOTE)
    })
    await turn()
    await turn()
    expect(core.log).toEqual(['datagram 5 at 1', 'timeout'])
  })

  it('handles timers that are late when nothing came, once', async () => {
    const clock = ownClock()
    const { core, driver } = open()
    core.nextTimeoutAt = nowMs() + 5
    clock.pass(500)
    driver.wake()
    await new Promise<void>(resolve => process.nextTick(resolve))
    expect(core.log, 'before the links had their turn').toEqual([])
    await turn()
    await turn()
    expect(core.log).toEqual(['timeout'])
  })

  it('has data from a full link held until there is room, and loses nothing', async () => {
    const { core, link, driver } = open()
    link.capacity = 1
    core.batches = 3
    driver.wake()
    await turn()
    expect(core.log).toEqual(['send 2'])
    const [first] = link.kept.splice(0)
    driver.onDrain(link)
    await turn()
    expect(core.log).toEqual(['send 2', 'send 1'])
    expect(first?.[0], 'a buffer that the link keeps is not used again').toBe(2)
  })

  it('goes on with the others when a full link is closed', async () => {
    const { core, link, driver } = open()
    link.capacity = 1
    core.batches = 2
    driver.wake()
    await turn()
    driver.detach(link)
    await drained(core)
    expect(core.batches).toBe(0)
    expect(driver.counters).toEqual({ lostBatches: 1 })
  })

  it('lets the program have its turn when there is more to send than 10 ms allow', async () => {
    const { core, link, driver } = open()
    const clock = ownClock()
    core.batches = 1000
    // Each batch takes 0.1 ms, all of them 100 ms.
    link.onSend = () => clock.pass(0.1)
    driver.wake()
    while (core.batches > 0) {
      const [startedAt, left] = [nowMs(), core.batches]
      await turn()
      expect(core.batches).toBeLessThan(left)
      expect(nowMs() - startedAt).toBeLessThan(10)
    }
    expect(core.log).toHaveLength(1000)
  })

  it('takes in, tells and sends no more in a turn than 10 ms allow, all together', async () => {
    const clock = ownClock()
    // Whatever is done takes 0.1 ms.
    const { core, link, driver } = open(() => clock.pass(0.1))
    link.onSend = () => clock.pass(0.1)
    const counts: number[] = []
    for (let round = 0; round < 10; round++) {
      core.events.push(...new Array<string>(100).fill('a'))
      core.batches += 100
      const before = core.log.length
      for (let more = true; more; clock.pass(0.1)) {
        more = driver.onDatagram(link, new Uint8Array(5), 5, REMOTE) === false
      }
      await turn()
      counts.push(core.log.length - before)
    }
    expect(Math.max(...counts), 'steps in a turn').toBeLessThan(100)
    expect(Math.min(...counts)).toBeGreaterThan(20)
    await drained(core)
    const sent = core.log.filter(line => line.startsWith('send'))
    expect(sent).toHaveLength(1000)
  })

  it('counts what it has sent before the first datagram of a turn as work of that turn', async () => {
    const clock = ownClock()
    const { core, link, driver } = open()
    link.onSend = () => clock.pass(0.1)
    core.batches = 1000
    driver.wake()
    await new Promise<void>(resolve => process.nextTick(resolve))
    expect(core.log.length, 'what it has sent').toBeGreaterThan(20)
    while (driver.onDatagram(link, new Uint8Array(5), 5, REMOTE) === false) clock.pass(0.1)
    await turn()
    expect(core.log.length, 'steps of the turn').toBeLessThan(100)
    await drained(core)
    expect(core.batches).toBe(0)
  })

  describe('lets packets of one drain leave together', () => {
    /** A link that takes many with a call; packets are 1 byte long, as the core makes them, or as `lengths` says. */
    function openGathering(onEvent?: (event: string) => void, lengths: readonly number[] = []) {
      const opened = open(onEvent)
      const { core, link, driver } = opened
      const gathering = Object.assign(link, { gathers: true })
      const trains: number[][] = []
      let made = 0
      const pollTransmit = core.pollTransmit.bind(core)
      core.pollTransmit = batch => {
        if (!pollTransmit(batch)) return false
        batch.setPacket(lengths[made++] ?? 1)
        return true
      }
      gathering.send = batch => {
        core.log.push(`send ${batch.packets}`)
        trains.push([...batch.buffer.subarray(0, batch.length)])
        return true
      }
      driver.detach(link)
      driver.attach(gathering)
      return { ...opened, trains }
    }

    it('where they are of one length', async () => {
      const { core, driver, trains } = openGathering()
      core.batches = 5
      await driver.settled()
      expect(core.log).toEqual(['send 5'])
      expect(trains).toEqual([[4, 3, 2, 1, 0]])
    })

    it('in the order in which they were made, whatever their lengths', async () => {
      const { core, driver, trains } = openGathering(undefined, [2, 2, 1, 2, 3, 1])
      core.batches = 6
      await driver.settled()
      expect(core.log).toEqual(['send 3', 'send 1', 'send 2'])
      expect(trains.map(train => train[0])).toEqual([5, 2, 1])
    })

    it('but before the program hears of anything more', async () => {
      const { core, driver } = openGathering()
      core.batches = 2
      const pollTransmit = core.pollTransmit.bind(core)
      core.pollTransmit = batch => {
        if (core.batches === 1) core.events.push('a')
        return pollTransmit(batch)
      }
      await driver.settled()
      expect(core.log).toEqual(['send 2', 'event a'])
    })

    it('also where the process ends', () => {
      const { core, driver } = openGathering()
      core.batches = 3
      driver.flush()
      expect(core.log).toEqual(['send 3'])
    })

    it('and are left alone for as long as the link reads from them', async () => {
      const { core, link, driver } = openGathering()
      const kept: Uint8Array[] = []
      link.send = batch => {
        kept.push(batch.buffer.subarray(0, batch.length))
        return false
      }
      for (const batches of [3, 2, 1]) {
        core.batches = batches
        await driver.settled()
      }
      expect(kept.map(train => [...train])).toEqual([[2, 1, 0], [1, 0], [0]])
    })

    it('and not where a link takes them one by one', async () => {
      const { core, driver } = open()
      core.batches = 3
      await driver.settled()
      expect(core.log).toEqual(['send 2', 'send 1', 'send 0'])
    })
  })

  it("lets a handler's exception out, and delivers the rest afterwards", async () => {
    const { core, driver } = open(event => {
      if (event === 'a') throw new Error("the program's own fault")
    })
    core.events.push('a', 'b')
    core.batches = 1
    const thrown = nextUncaught()
    driver.wake()
    expect(await thrown).toThrow("the program's own fault")
    await drained(core)
    expect(core.log).toEqual(['event a', 'event b', 'send 0'])
  })

  it('says when everything is done', async () => {
    const { core, driver } = open()
    core.events.push('a')
    core.batches = 2
    await driver.settled()
    expect(core.log).toEqual(['event a', 'send 1', 'send 0'])
  })

  it('sends at once where the process ends within a handler', () => {
    const { core, driver } = open()
    core.events.push('a')
    core.batches = 1
    driver.flush()
    expect(core.log).toEqual(['send 0'])
  })

  it('counts what a link could not send, by its code', () => {
    const { link, driver } = open()
    driver.onError(link, 'EMSGSIZE')
    driver.onError(link, 'EMSGSIZE')
    expect(driver.counters).toEqual({ 'send:EMSGSIZE': 2 })
  })

  it('holds the process by its links as long as it is told to', () => {
    const { link, driver } = open()
    driver.hold(false)
    expect(link.isRef).toBe(false)
    driver.hold(true)
    expect(link.isRef).toBe(true)
  })

  it('does nothing more when it is closed', async () => {
    const { core, driver } = open()
    core.batches = 1
    driver.wake()
    driver.close()
    await turn()
    expect(core.log).toEqual([])
  })
})
