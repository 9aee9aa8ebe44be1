import { describe, expect, it } from 'vitest'
import { Hub } from '../../../controller/hub.ts'
import type { HubLimits } from '../../../controller/hub-limits.ts'
import type { HubNotice } from '../../../controller/hub-reports.ts'
import { emitMessage, parseMessage } from '../../../src/control/codec.ts'
import { emitFrame, FrameReader, MAX_AGENT_FRAME_BYTES } from '../../../src/control/frame.ts'
import type { ControlMessage, Hello } from '../../../src/control/messages.ts'
import { WireError } from '../../../src/wire/wire-error.ts'
import { controlSamples } from '../../support/control-samples.ts'
import { endpoints, named } from '../../support/control-world.ts'
import { Random, replay, testSeed } from '../../support/random.ts'

const instance = (number: number) => number.toString(16).padStart(32, '0')

function hello(number: number, options: Partial<Hello> = {}): Hello {
  return {
    type: 'hello',
    version: 1,
    kind: 'host',
    instance: instance(number),
    hostId: 'host',
    hostName: 'host',
    program: 'program',
    pid: number,
    endpoints: endpoints(`10.0.0.${number}:5000`),
    ...options,
  }
}

const register = (name: string, xid = 1): ControlMessage => ({
  type: 'register',
  xid,
  service: named(name),
  weight: 1,
  priority: 1,
})

const resolve = (name: string, xid = 1): ControlMessage => ({ type: 'resolve', xid, service: named(name) })

/** A hub, and what it says to each connection. */
class Talk {
  readonly hub: Hub
  nowMs = 0
  readonly #said = new Map<number, string[]>()
  readonly #readers = new Map<number, FrameReader>()
  readonly messages: ControlMessage[] = []

  constructor(limits: Partial<HubLimits> = {}) {
    this.hub = new Hub({ controller: 'c'.repeat(32), pid: 1, startedAt: 0, limits })
  }

  /** Opens connections and says hello on each; forgets the answers. */
  join(...hellos: Hello[]): this {
    for (const one of hellos) {
      this.hub.handleOpened(one.pid, `connection ${one.pid}`, this.nowMs)
      this.say(one.pid, one)
    }
    this.#said.clear()
    return this
  }

  say(connection: number, ...messages: (ControlMessage | Uint8Array)[]): string {
    for (const message of messages) {
      const bytes = message instanceof Uint8Array ? message : emitMessage(message)
      this.hub.handleData(connection, bytes, this.nowMs)
    }
    return this.heard(connection)
  }

  /** The types of what was said to a connection since the last call, and `close`. */
  heard(connection: number): string {
    for (let command = this.hub.pollCommand(); command; command = this.hub.pollCommand()) {
      const said = this.#said.get(command.connection) ?? []
      this.#said.set(command.connection, said)
      if (command.type === 'close') said.push('close')
      else said.push(...this.#read(command.connection, command.bytes))
    }
    const said = this.#said.get(connection) ?? []
    this.#said.delete(connection)
    return said.join(' ')
  }

  notices(): HubNotice[] {
    const notices: HubNotice[] = []
    for (let notice = this.hub.pollNotice(); notice; notice = this.hub.pollNotice()) notices.push(notice)
    return notices
  }

  #read(connection: number, bytes: Uint8Array): string[] {
    const reader = this.#readers.get(connection) ?? new FrameReader()
    this.#readers.set(connection, reader)
    reader.push(bytes)
    const types: string[] = []
    for (let body = reader.next(); body !== undefined; body = reader.next()) {
      const message = body instanceof WireError ? body : parseMessage(body)
      if (message instanceof WireError) throw new Error(`the hub sent what cannot be read: ${message}`)
      this.messages.push(message)
      types.push(message.type)
    }
    return types
  }
}

describe('the hub', () => {
  it('welcomes a host, and a router with all rules', () => {
    const talk = new Talk()
    talk.hub.handleOpened(1, 'unix', 0)
    expect(talk.say(1, hello(1))).toBe('welcome')
    talk.hub.handleOpened(2, 'unix', 0)
    expect(talk.say(2, hello(2, { kind: 'router' }))).toBe('welcome ruleUpdate routers')
    expect(talk.heard(1)).toBe('routers')
    expect(talk.notices().map(notice => notice.type)).toEqual(['joined', 'joined'])
  })

  it('tells a probe who it is, and does not take it for a member', () => {
    const talk = new Talk()
    talk.hub.handleOpened(1, 'unix', 0)
    expect(talk.say(1, hello(1, { kind: 'probe' }))).toBe('welcome goodbye close')
    expect(talk.messages[0]).toMatchObject({ controller: 'c'.repeat(32), pid: 1 })
    expect(talk.hub.registry.members.size).toBe(0)
    expect(talk.notices()).toEqual([])
  })

  it('lets a process that has connected anew replace its earlier connection', () => {
    const one = hello(1, { secret: 'a'.repeat(32) })
    const talk = new Talk().join(one, hello(2))
    talk.say(1, register('web.example'))
    talk.hub.handleOpened(7, 'unix', 0)
    expect(talk.say(7, one)).toBe('welcome')
    expect(talk.heard(1)).toBe('goodbye close')
    expect(talk.heard(2)).toBe('')
    expect(talk.hub.registry.members.size).toBe(2)
    expect(talk.hub.registry.services.size).toBe(0)
    // The end of the old connection concerns nobody.
    talk.hub.handleClosed(1, 'died')
    expect(talk.hub.registry.members.size).toBe(2)
    expect(talk.heard(2)).toBe('')
  })

  it('lets nobody replace a process without its secret, for everybody may know its instance', () => {
    const secret = 'a'.repeat(32)
    const talk = new Talk().join(hello(1, { secret }), hello(2))
    for (const [connection, claim] of [
      [7, hello(1)],
      [8, hello(1, { secret: 'b'.repeat(32) })],
      [9, hello(2)],
    ] as const) {
      talk.hub.handleOpened(connection, 'elsewhere', 0)
      expect(talk.say(connection, claim)).toBe('goodbye close')
    }
    expect(talk.hub.counters.rejected).toBe(3)
    expect(talk.heard(1) + talk.heard(2)).toBe('')
    expect(talk.say(1, register('web.example'))).toBe('ack')
  })

  it('answers more than it tells of changes, if there is very much to remember', () => {
    const talk = new Talk({ answersPerMember: 1 }).join(hello(1), hello(2), hello(3))
    talk.say(1, register('a.example'), register('b.example'))
    expect(talk.say(2, resolve('a.example'), resolve('b.example'))).toBe('resolved resolved')
    talk.say(3, register('b.example'))
    expect(talk.heard(2)).toBe('')
    talk.say(3, register('a.example'))
    expect(talk.heard(2)).toBe('ruleUpdate')
  })

  it('sends what is long in as many messages as it takes, and no more instances than one takes', () => {
    const talk = new Talk({ registrationsPerMember: 1000 }).join(hello(1))
    for (let i = 0; i < 600; i++) talk.say(1, register(`n${i}.example`))
    talk.hub.handleOpened(2, 'unix', 0)
    expect(talk.say(2, hello(2, { kind: 'router' }))).toBe('welcome ruleUpdate ruleUpdate ruleUpdate routers')
    const updates = talk.messages.filter(message => message.type === 'ruleUpdate')
    expect(updates.map(({ full, more, add }) => [full, more, add.length])).toEqual([
      [true, true, 256],
      [false, true, 256],
      [false, false, 88],
    ])
    for (let i = 10; i < 310; i++) {
      talk.join(hello(i, { endpoints: endpoints(`10.0.1.${i % 250}:${i}`) })).say(i, register('web.example'))
    }
    talk.say(2, resolve('web.example'))
    const answer = talk.messages.findLast(message => message.type === 'resolved')!
    expect(new Set(answer.rules.map(rule => rule.instance)).size).toBe(256)
  })

  it('pings three times in a lease, and counts an eviction', () => {
    const talk = new Talk({ leaseMs: 9000 }).join(hello(1))
    const heard: string[] = []
    while (talk.nowMs < 9000) {
      talk.nowMs = talk.hub.nextTimeoutAt()
      talk.hub.handleTimeout(talk.nowMs)
      heard.push(`${talk.nowMs} ${talk.heard(1)}`)
    }
    expect(heard.filter(line => line.includes('ping'))).toEqual(['3000 ping', '6000 ping'])
    expect(heard.at(-1)).toMatch(/^9000 goodbye close$/)
    expect(talk.hub.counters.evicted).toBe(1)
  })

  it('says goodbye to all when it is shut down, and hears nothing more', () => {
    const talk = new Talk().join(hello(1), hello(2))
    talk.hub.shutDown('stopping')
    expect(talk.heard(1)).toBe('goodbye close')
    expect(talk.say(2, register('web.example'))).toBe('goodbye close')
    expect(talk.hub.connections).toBe(0)
  })
})

describe('C4: the hub closes a connection', () => {
  it.each(controlSamples.filter(({ type }) => type !== 'hello'))('that says $type before hello', message => {
    const talk = new Talk()
    talk.hub.handleOpened(1, 'unix', 0)
    expect(talk.say(1, message)).toBe('goodbye close')
    expect(talk.hub.counters.rejected).toBe(1)
  })

  it.each(
    controlSamples.filter(({ type }) =>
      ['hello', 'welcome', 'ack', 'ruleUpdate', 'resolved', 'routers', 'instanceGone'].includes(type),
    ),
  )('that says $type as a member, and withdraws it', message => {
    const talk = new Talk().join(hello(1), hello(2))
    talk.say(1, register('web.example'))
    expect(talk.say(1, message)).toBe('goodbye close')
    expect(talk.hub.counters.rejected).toBe(1)
    expect(talk.hub.registry.services.size).toBe(0)
    // The process lives, so nobody is told that it died.
    expect(talk.heard(2)).toBe('')
  })

  it('that says no hello for long', () => {
    const talk = new Talk()
    talk.hub.handleOpened(1, 'unix', 0)
    talk.hub.handleTimeout(4999)
    expect(talk.heard(1)).toBe('')
    talk.hub.handleTimeout(5000)
    expect(talk.heard(1)).toBe('goodbye close')
  })

  it('of another version', () => {
    const talk = new Talk()
    talk.hub.handleOpened(1, 'unix', 0)
    expect(talk.say(1, hello(1, { version: 2 }))).toBe('goodbye close')
    expect(talk.notices()).toEqual([
      { type: 'rejected', from: 'unix', reason: 'version 2 is not spoken here' },
    ])
  })

  it('that announces a frame longer than an agent may send', () => {
    const talk = new Talk().join(hello(1))
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, MAX_AGENT_FRAME_BYTES + 1)
    expect(talk.say(1, bytes)).toBe('goodbye close')
    expect(talk.hub.counters.malformed).toBe(1)
    expect(talk.say(1, register('web.example'))).toBe('')
  })

  it('that sends what cannot be read again and again, but not the first time', () => {
    const talk = new Talk().join(hello(1))
    const junk = emitFrame(Uint8Array.of(255, 255, 255))
    for (let i = 0; i < 7; i++) expect(talk.say(1, junk)).toBe('')
    expect(talk.say(1, register('web.example'))).toBe('ack')
    expect(talk.say(1, junk)).toBe('goodbye close')
    expect(talk.hub.counters).toMatchObject({ malformed: 8, rejected: 1 })
  })

  it('but ignores messages that it does not know yet, and counts them', () => {
    const talk = new Talk().join(hello(1))
    for (let i = 0; i < 100; i++) expect(talk.say(1, emitFrame(Uint8Array.of(0xfa, 0x3f, 0)))).toBe('')
    expect(talk.hub.counters).toMatchObject({ unknown: 100, malformed: 0, rejected: 0 })
  })
})

describe('C4: whatever comes over many connections', () => {
  it('the hub neither throws nor keeps anything of those that are closed', () => {
    const random = new Random(testSeed)
    const talk = new Talk()
    const explain = replay('test/unit/controller/hub.test.ts')
    const frames = [...controlSamples, hello(1), register('web.example'), resolve('web.example')].map(
      emitMessage,
    )
    for (let connection = 1; connection <= 500; connection++) {
      talk.hub.handleOpened(connection, 'pipe', talk.nowMs)
      if (random.chance(0.8)) talk.say(connection, hello(connection % 250))
      for (let i = 0; i < 20; i++) {
        const bytes = random.pick(frames).slice()
        if (random.chance(0.5)) bytes[random.below(bytes.length)] = random.uint32() >>> 24
        const cut = random.chance(0.1) ? random.below(bytes.length) : bytes.length
        expect(() => talk.say(connection, bytes.subarray(0, cut)), explain).not.toThrow()
      }
      talk.nowMs += random.below(1000)
      talk.hub.handleTimeout(talk.nowMs)
      if (random.chance(0.5)) talk.hub.handleClosed(connection, 'died')
    }
    expect(Object.keys(Object.prototype)).toEqual([])
    for (let connection = 1; connection <= 500; connection++) talk.hub.handleClosed(connection, 'died')
    expect(talk.hub.connections).toBe(0)
    expect(talk.hub.registry.members.size).toBe(0)
    expect(talk.hub.registry.services.size).toBe(0)
  })
})
