import { readdirSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { watch } from '../../../src/net/links/descriptor-watch.ts'
import type { KernelHelp } from '../../../src/net/links/kernel-link.ts'
import type { Link, LinkEvents } from '../../../src/net/links/link.ts'
import { loadKoffi, type Offload, systemOffload } from '../../../src/net/links/offload.ts'
import { openUdpLink } from '../../../src/net/links/udp-network.ts'
import { PacketWalk } from '../../../src/wire/encapsulation.ts'
import type { Endpoint } from '../../../src/wire/endpoint.ts'
import { TransmitBatch } from '../../../src/wire/transmit-batch.ts'

interface Datagram {
  readonly bytes: Uint8Array
  readonly remote: Endpoint
}

/** What a link tells, as promises. */
class Recorder implements LinkEvents {
  readonly datagrams: Datagram[] = []
  readonly errors: string[] = []
  readonly failedRemotes: Endpoint[] = []
  drains = 0
  #wake: () => void = () => undefined

  onDatagram(_link: Link, buffer: Uint8Array, length: number, remote: Endpoint): undefined {
    this.datagrams.push({ bytes: buffer.subarray(0, length), remote })
    this.#wake()
  }

  onError(_link: Link, code: string, remote?: Endpoint): void {
    this.errors.push(code)
    if (remote !== undefined) this.failedRemotes.push(remote)
    this.#wake()
  }

  onDrain(): void {
    this.drains++
    this.#wake()
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}

const silent: LinkEvents = { onDatagram: () => undefined, onError() {}, onDrain() {} }
const links: ReturnType<typeof openUdpLink>[] = []
afterEach(() => {
  for (const link of links.splice(0)) link.close()
})

function open(local: Endpoint, help: KernelHelp | undefined) {
  const events = new Recorder()
  const link = openUdpLink(links.length + 1, local, events, help)
  links.push(link)
  return { link, events }
}

/** `sizes` packets behind shims, each filled with its number. */
function batchTo(remote: Endpoint, sizes: readonly number[]): TransmitBatch {
  const batch = new TransmitBatch()
  for (const [i, size] of sizes.entries()) {
    const packet = batch.buffer.subarray(batch.length, batch.length + size)
    packet.fill(i)
    packet.set([1, 32, size >> 8, size & 0xff])
    batch.length += size
  }
  batch.setPackets(sizes.length, sizes[0] ?? 0, batch.length)
  batch.remote = remote
  return batch
}

/** The fills of the packets that came, in order, whichever way the kernel merged them. */
function packetsOf(events: Recorder): { readonly fill: number; readonly size: number }[] {
  return events.datagrams.flatMap(({ bytes }) => {
    const walk = new PacketWalk()
    walk.reset(bytes, 0, bytes.length)
    const packets = []
    while (walk.next())
      packets.push({ fill: bytes[walk.packetStart]!, size: walk.packetEnd - walk.packetStart + 4 })
    return packets
  })
}

const equal = (count: number, size: number) => Array.from({ length: count }, () => size)

const kinds: [string, KernelHelp | undefined][] = [['plain', undefined]]
const offload = systemOffload()
const cutting = offload && inMainThread({ offload, cuts: true, mtu: 65_536 })
const batching = offload && inMainThread({ offload, cuts: false, mtu: 1500 })
if (offload !== undefined) {
  if (offload.cuts) kinds.push(['with a kernel that cuts and merges', cutting])
  kinds.push(['with a kernel that takes many with a call', batching])
  kinds.push(['with such a kernel and large packets', { ...batching!, mtu: 65_536 }])
  kinds.push(['in a worker thread, with a kernel that takes many with a call', inWorker(batching!)])
  if (offload.cuts) kinds.push(['in a worker thread', inWorker(cutting!)])
}

/** Tests may run in either; what tells of datagrams is another. */
function inMainThread(help: KernelHelp): KernelHelp {
  return { ...help, offload: watchedIn(help.offload, true) }
}

function inWorker(help: KernelHelp): KernelHelp {
  return { ...help, offload: watchedIn(help.offload, false) }
}

function watchedIn(own: Offload, isMainThread: boolean): Offload {
  return {
    ...callsOf(own),
    watch: (fd, local, events) => {
      const { poll } = loadKoffi()!.node
      return watch(poll, { fd, local, close: () => own.closeSocket(fd) }, events, isMainThread)
    },
  }
}

/** Of an offload's own, so that some can be replaced. */
function callsOf(own: Offload): Offload {
  return {
    cuts: own.cuts,
    openSocket: (local, how) => own.openSocket(local, how),
    closeSocket: fd => own.closeSocket(fd),
    portOf: fd => own.portOf(fd),
    receiveBufferBytes: fd => own.receiveBufferBytes(fd),
    watch: (fd, local, events) => own.watch(fd, local, events),
    addressOf: bytes => own.addressOf(bytes),
    send: (fd, message) => own.send(fd, message),
    receive: (fd, buffer, bytes, from) => own.receive(fd, buffer, bytes, from),
    sendMany: (fd, messages, count) => own.sendMany(fd, messages, count),
    receiveMany: (fd, messages, count) => own.receiveMany(fd, messages, count),
  }
}

describe.each(kinds)('a UDP link, %s,', (_kind, help) => {
  it.each(['127.0.0.1', '::1'])('carries a datagram from %s, and tells from where', async address => {
    const [a, b] = [open({ address, port: 0 }, help), open({ address, port: 0 }, help)]
    expect(a.link.send(batchTo(b.link.endpoint, [100]))).toBe(true)
    await b.events.until(() => b.events.datagrams.length === 1)
    expect(b.events.datagrams[0]?.remote).toEqual(a.link.endpoint)
    expect(b.events.datagrams[0]?.bytes.length).toBe(100)
  })

  it('carries a batch of 44 equal segments and a shorter one, then one that is longer than they', async () => {
    const [a, b] = [
      open({ address: '127.0.0.1', port: 0 }, help),
      open({ address: '127.0.0.1', port: 0 }, help),
    ]
    const sizes = [...equal(44, 1400), 77]
    a.link.send(batchTo(b.link.endpoint, sizes))
    a.link.send(batchTo(b.link.endpoint, [8000]))
    await b.events.until(() => packetsOf(b.events).length === 46)
    const expected = [...sizes.map((size, fill) => ({ fill, size })), { fill: 0, size: 8000 }]
    expect(packetsOf(b.events)).toEqual(expected)
  })

  it('changes the size of its segments from batch to batch', async () => {
    const [a, b] = [
      open({ address: '127.0.0.1', port: 0 }, help),
      open({ address: '127.0.0.1', port: 0 }, help),
    ]
    for (const size of [1200, 100, 9000, 1200]) a.link.send(batchTo(b.link.endpoint, equal(5, size)))
    await b.events.until(() => packetsOf(b.events).length === 20)
    expect(packetsOf(b.events).map(({ size }) => size)).toEqual(
      [1200, 100, 9000, 1200].flatMap(size => equal(5, size)),
    )
  })

  it('gives each datagram a buffer of its own', async () => {
    const [a, b] = [
      open({ address: '127.0.0.1', port: 0 }, help),
      open({ address: '127.0.0.1', port: 0 }, help),
    ]
    a.link.send(batchTo(b.link.endpoint, [100]))
    await b.events.until(() => b.events.datagrams.length === 1)
    b.events.datagrams[0]?.bytes.fill(0xff)
    a.link.send(batchTo(b.link.endpoint, [100]))
    await b.events.until(() => b.events.datagrams.length === 2)
    expect(b.events.datagrams[1]?.bytes[50]).toBe(0)
    expect(b.events.datagrams[0]?.bytes[50]).toBe(0xff)
  })

  it('tells when a packet is longer than the path takes, and where it was going, and goes on', async () => {
    const [a, b] = [
      open({ address: '127.0.0.1', port: 0 }, help),
      open({ address: '127.0.0.1', port: 0 }, help),
    ]
    a.link.send(batchTo(b.link.endpoint, [65_520]))
    await a.events.until(() => a.events.errors.length === 1)
    expect(a.events.errors).toEqual(['EMSGSIZE'])
    expect(a.events.failedRemotes).toEqual([b.link.endpoint])
    a.link.send(batchTo(b.link.endpoint, [100]))
    await b.events.until(() => b.events.datagrams.length === 1)
  })

  it('tells when there is no way to a remote', async () => {
    const a = open({ address: '127.0.0.1', port: 0 }, help)
    a.link.send(batchTo({ address: '198.51.100.1', port: 9 }, [100]))
    await a.events.until(() => a.events.errors.length === 1)
    expect(a.events.errors[0]).toMatch(/^(EINVAL|ENETUNREACH|EADDRNOTAVAIL)$/)
  })

  it('cannot be bound twice, nor to an address that is not here', () => {
    const { link } = open({ address: '127.0.0.1', port: 0 }, help)
    expect(() => open(link.endpoint, help)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
    expect(() => open({ address: '198.51.100.77', port: 0 }, help)).toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL' }),
    )
  })

  it('tells each of many datagrams as it came, and from where', async () => {
    const b = open({ address: '127.0.0.1', port: 0 }, help)
    const senders = [0, 1].map(() => open({ address: '127.0.0.1', port: 0 }, help))
    const sizes = Array.from({ length: 40 }, (_, i) => 1400 - i)
    for (const size of sizes) {
      for (const { link } of senders) link.send(batchTo(b.link.endpoint, [size]))
    }
    await b.events.until(() => b.events.datagrams.length === 80)
    for (const { link } of senders) {
      const { port } = link.endpoint
      const own = b.events.datagrams.filter(({ remote }) => remote.port === port)
      expect(own.map(({ bytes }) => bytes.length)).toEqual(sizes)
    }
  })

  if (help !== undefined)
    it('receives what has come when it is looked for, before it is told of', async () => {
      const { link, events } = open({ address: '127.0.0.1', port: 0 }, help)
      const looking: Link = link
      const sender = open({ address: '127.0.0.1', port: 0 }, help)
      await new Promise(resolve => setImmediate(resolve))
      looking.look!()
      expect(events.datagrams).toEqual([])
      sender.link.send(batchTo(link.endpoint, [100]))
      looking.look!()
      expect(events.datagrams.map(({ bytes }) => bytes.length)).toEqual([100])
      link.close()
      sender.link.send(batchTo(link.endpoint, [100]))
      looking.look!()
      expect(events.datagrams).toHaveLength(1)
    })

  it('tells runs of equal datagrams, with short ones between them, in order and whole', async () => {
    const b = open({ address: '127.0.0.1', port: 0 }, help)
    const sender = open({ address: '127.0.0.1', port: 0 }, help)
    const sizes = [...equal(4, 1400), 700, ...equal(3, 1400), ...equal(6, 900), 100, 100, 1400]
    for (const size of sizes) sender.link.send(batchTo(b.link.endpoint, [size]))
    await b.events.until(() => packetsOf(b.events).length === sizes.length)
    expect(packetsOf(b.events)).toEqual(sizes.map(size => ({ fill: 0, size })))
  })

  it('sends nothing, and tells nothing, once it is closed', () => {
    const { link, events } = open({ address: '127.0.0.1', port: 0 }, help)
    link.close()
    expect(link.send(batchTo(link.endpoint, [100]))).toBe(true)
    expect(link.queuedBytes).toBe(0)
    expect(events.errors).toEqual([])
  })
})

/** A gathered batch: `sizes` of pieces, which together are cut into packets of `payloadBytes` behind headers. */
function gatheredTo(remote: Endpoint, sizes: readonly number[], payloadBytes: number): TransmitBatch {
  const batch = new TransmitBatch()
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const packets = Math.ceil(bytes / payloadBytes)
  const packetBytes = HEADER_BYTES + payloadBytes
  for (let i = 0; i < packets; i++) {
    const size = HEADER_BYTES + Math.min(payloadBytes, bytes - i * payloadBytes)
    batch.buffer.fill(i, i * HEADER_BYTES, (i + 1) * HEADER_BYTES)
    batch.buffer.set([1, 32, size >> 8, size & 0xff], i * HEADER_BYTES)
  }
  let value = 0
  for (const size of sizes) batch.pieces.push(Uint8Array.from({ length: size }, () => value++))
  batch.setPackets(packets, packetBytes, packets * HEADER_BYTES + bytes)
  batch.headerBytes = HEADER_BYTES
  batch.remote = remote
  return batch
}

const HEADER_BYTES = 36

/** The payloads behind the headers of what came, as one. */
function payloadOf(events: Recorder): Uint8Array {
  const parts = events.datagrams.flatMap(({ bytes }) => {
    const walk = new PacketWalk()
    walk.reset(bytes, 0, bytes.length)
    const payloads = []
    while (walk.next()) payloads.push(bytes.subarray(walk.packetStart - 4 + HEADER_BYTES, walk.packetEnd))
    return payloads
  })
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

const counted = (length: number) => Uint8Array.from({ length }, (_, i) => i)

describe.runIf(offload !== undefined)("the kernel's help", () => {
  const { EAGAIN, EINVAL, EIO, ENETUNREACH } = constants.errno

  /**
   * The system's own, but that sends end as `verdicts` say, in turn; 0, and after the last: as the system says. `calls`:
   * of each batch that the kernel was to cut its verdict, of each packet that was not in need of it 'packet'.
   */
  function scripted(verdicts: readonly number[]) {
    const script = [...verdicts]
    const calls: (number | string)[] = []
    const own: Offload = {
      ...cutting!.offload,
      send: (fd, message) => {
        const verdict = script.shift() || offload!.send(fd, message)
        calls.push(verdict)
        return verdict
      },
      sendMany: (fd, messages, count) => {
        const verdict = script.shift()
        const sent = verdict ? -verdict : offload!.sendMany(fd, messages, count)
        calls.push(...(sent < 0 ? [-sent] : Array.from({ length: sent }, () => 'packet')))
        return sent
      },
    }
    const help = { ...cutting!, offload: own }
    return { help, calls }
  }

  const pair = (help: KernelHelp | undefined) =>
    [
      open({ address: '127.0.0.1', port: 0 }, help),
      open({ address: '127.0.0.1', port: 0 }, undefined),
    ] as const

  it.each([
    { name: 'one piece', sizes: [5000] },
    { name: 'pieces that end where packets do', sizes: [1000, 2000] },
    { name: 'pieces that end within packets', sizes: [1, 999, 1500, 3, 2497] },
    { name: 'more pieces than a call takes', sizes: equal(1100, 10) },
  ])('takes payload from where it lies: $name', async ({ sizes }) => {
    const [a, b] = pair(cutting)
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    expect((a.link as Link).gathers).toBe(true)
    expect(a.link.send(gatheredTo(b.link.endpoint, sizes, 1000))).toBe(true)
    await b.events.until(() => payloadOf(b.events).length === bytes)
    expect(payloadOf(b.events)).toEqual(counted(bytes))
    expect(b.events.datagrams.length).toBe(Math.ceil(bytes / 1000))
  })

  it.each([
    ['gathered', (remote: Endpoint) => gatheredTo(remote, [5000], 1000)],
    ['copied', (remote: Endpoint) => batchTo(remote, equal(5, 1000))],
  ])('sends the rest of a %s batch of which a call has taken a part', async (_kind, batchFor) => {
    const few: Offload = {
      ...scripted([]).help.offload,
      sendMany: (fd, messages, count) => offload!.sendMany(fd, messages, Math.min(count, 2)),
    }
    const [a, whole] = [
      open({ address: '127.0.0.1', port: 0 }, { ...batching!, offload: few }),
      pair(batching),
    ]
    a.link.send(batchFor(whole[1].link.endpoint))
    await whole[1].events.until(() => packetsOf(whole[1].events).length === 5)
    const inParts = whole[1].events.datagrams.splice(0).map(({ bytes }) => [...bytes])
    whole[0].link.send(batchFor(whole[1].link.endpoint))
    await whole[1].events.until(() => packetsOf(whole[1].events).length === 5)
    expect(inParts).toEqual(whole[1].events.datagrams.map(({ bytes }) => [...bytes]))
  })

  it('asks for nothing to be cut or merged where the kernel may not', async () => {
    const { help, calls } = scripted([])
    const opened: unknown[] = []
    const own: Offload = {
      ...help.offload,
      openSocket: (local, how) => {
        opened.push(how)
        return offload!.openSocket(local, how)
      },
    }
    const [a, b] = pair({ ...help, cuts: false, mtu: 1500, offload: own })
    a.link.send(batchTo(b.link.endpoint, equal(5, 1000)))
    await b.events.until(() => packetsOf(b.events).length === 5)
    expect(calls).toEqual(equal(5, 0).map(() => 'packet'))
    expect(opened).toEqual([{ merges: false }])
  })

  it.each([
    ['EIO', EIO],
    ['EINVAL', EINVAL],
  ])(
    'sends each packet by itself, at once and for a while, where the way refuses to cut with %s',
    async (_code, code) => {
      const { help, calls } = scripted([code])
      const [a, b] = pair(help)
      const { endpoint } = b.link
      a.link.send(gatheredTo(endpoint, [5000], 1000))
      const packets = Array.from({ length: 5 }, () => 'packet')
      expect(calls.splice(0)).toEqual([code, ...packets])
      a.link.send(gatheredTo(endpoint, [5000], 1000))
      expect(calls.splice(0)).toEqual(packets)
      a.link.send(gatheredTo({ ...endpoint }, [5000], 1000))
      expect(calls, 'another way is asked for itself').toEqual([0])
      await b.events.until(() => payloadOf(b.events).length === 15_000)
      expect(payloadOf(b.events)).toEqual(
        Uint8Array.from([...counted(5000), ...counted(5000), ...counted(5000)]),
      )
      expect(a.events.errors).toEqual([])
    },
  )

  it('takes no error of the address for a refusal to cut', async () => {
    const { help, calls } = scripted([EINVAL, ENETUNREACH])
    const [a, b] = pair(help)
    a.link.send(gatheredTo(b.link.endpoint, [5000], 1000))
    await a.events.until(() => a.events.errors.length === 1)
    expect(a.events.errors).toEqual(['ENETUNREACH'])
    a.link.send(gatheredTo(b.link.endpoint, [5000], 1000))
    expect(calls).toEqual([EINVAL, ENETUNREACH, 0])
  })

  it.each([
    ['at once', inMainThread],
    ['in a worker thread', inWorker],
  ])('keeps a batch for which the kernel has no room until there is some, told %s', async (_how, kind) => {
    const { help } = scripted([EAGAIN])
    const [a, b] = pair(kind(help))
    expect(a.link.send(gatheredTo(b.link.endpoint, [5000], 1000)), 'the batch is the link’s').toBe(false)
    expect([a.link.full, a.link.queuedBytes]).toEqual([true, 5000 + 5 * HEADER_BYTES])
    expect(a.link.send(gatheredTo(b.link.endpoint, [3000], 1000)), 'behind it').toBe(false)
    await a.events.until(() => a.events.drains === 1)
    expect([a.link.full, a.link.queuedBytes]).toEqual([false, 0])
    await b.events.until(() => payloadOf(b.events).length === 8000)
    expect(payloadOf(b.events)).toEqual(Uint8Array.from([...counted(5000), ...counted(3000)]))
    expect(a.link.send(batchTo(b.link.endpoint, [100]))).toBe(true)
  })

  it('keeps the rest when room ends within a batch that goes packet by packet, and then once more', async () => {
    const { help } = scripted([EIO, 0, EAGAIN, EAGAIN])
    const [a, b] = pair(help)
    a.link.send(gatheredTo(b.link.endpoint, [5000], 1000))
    expect(a.link.queuedBytes).toBe(4 * (1000 + HEADER_BYTES))
    await b.events.until(() => payloadOf(b.events).length === 5000)
    expect(payloadOf(b.events)).toEqual(counted(5000))
    expect(a.events.drains).toBe(1)
  })

  it('drops what was kept and cannot be sent then, says so, and sends what is behind it', async () => {
    const { help } = scripted([EAGAIN, ENETUNREACH])
    const [a, b] = pair(help)
    a.link.send(gatheredTo(b.link.endpoint, [5000], 1000))
    a.link.send(gatheredTo(b.link.endpoint, [1000], 1000))
    await a.events.until(() => a.events.errors.length === 1)
    expect(a.events.errors).toEqual(['ENETUNREACH'])
    await b.events.until(() => payloadOf(b.events).length === 1000)
    expect(a.link.full).toBe(false)
  })

  it('forgets what it has kept when it is closed', () => {
    const { help } = scripted([EAGAIN])
    const [a, b] = pair(help)
    a.link.send(gatheredTo(b.link.endpoint, [5000], 1000))
    a.link.close()
    expect([a.link.full, a.link.queuedBytes]).toEqual([false, 0])
  })

  it('tells the rest of what one call has brought when a handler throws', async () => {
    const told: number[] = []
    const uncaught = new Promise(resolve => process.once('uncaughtException', resolve))
    const listeners = process.listeners('uncaughtException').slice(0, -1)
    for (const listener of listeners) process.off('uncaughtException', listener)
    try {
      await new Promise<void>(resolve => {
        const events = {
          ...silent,
          onDatagram: (_link: Link, bytes: Uint8Array) => {
            told.push(bytes.length)
            if (told.length === 2) throw new Error('a program’s own')
            if (told.length === 3) resolve()
            return undefined
          },
        }
        const link = openUdpLink(1, { address: '127.0.0.1', port: 0 }, events, batching)
        links.push(link)
        const [peer] = pair(undefined)
        for (const size of [100, 200, 300]) peer.link.send(batchTo(link.endpoint, [size]))
      })
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
    expect(await uncaught).toEqual(new Error('a program’s own'))
    expect(told).toEqual([100, 200, 300])
  })

  it.each([
    { kind: 'one by one', help: cutting, most: 1 },
    { kind: 'with a call', help: batching, most: 32 },
  ])('takes in no more than is enough for a turn, $kind, and loses nothing', async ({ help, most }) => {
    const turns: number[] = []
    let isSameTurn = false
    await new Promise<void>(resolve => {
      let left = 50
      const thrifty: LinkEvents = {
        ...silent,
        onDatagram: () => {
          if (isSameTurn) turns.push(turns.pop()! + 1)
          else turns.push(1)
          isSameTurn = true
          setImmediate(() => {
            isSameTurn = false
          })
          if (--left === 0) resolve()
          return true
        },
      }
      const link = openUdpLink(1, { address: '127.0.0.1', port: 0 }, thrifty, help)
      links.push(link)
      const sender = open({ address: '127.0.0.1', port: 0 }, undefined)
      for (let i = 0; i < 50; i++) sender.link.send(batchTo(link.endpoint, [1400 - i]))
    })
    expect(turns).toEqual(most === 1 ? equal(50, 1) : [32, 18])
  })

  /** The sockets of this process, by their numbers in the kernel. */
  const sockets = () => {
    const targets = readdirSync('/proc/self/fd').flatMap(fd => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    return targets.filter(target => target.startsWith('socket:')).sort()
  }

  it('gives all descriptors back, in whatever turn it is closed', async () => {
    const openAndClose = async () => {
      const { link, events } = open({ address: '127.0.0.1', port: 0 }, cutting)
      link.send(batchTo(link.endpoint, [100]))
      await events.until(() => events.datagrams.length === 1)
      link.close()
    }
    await openAndClose()
    const before = sockets().length
    for (let i = 0; i < 5; i++) await openAndClose()
    // Other things of this process come and go as well.
    await expect.poll(() => sockets().length).toBeLessThanOrEqual(before)
  })

  it('closes the socket where nothing can tell of it', () => {
    const before = sockets()
    const deaf = () => {
      throw Object.assign(new Error('poll ENOMEM'), { code: 'ENOMEM' })
    }
    const none: Offload = {
      ...callsOf(offload!),
      watch: (fd, local, events) =>
        watch(deaf, { fd, local, close: () => offload!.closeSocket(fd) }, events, true),
    }
    expect(() => open({ address: '127.0.0.1', port: 0 }, { ...cutting!, offload: none })).toThrow(
      'poll ENOMEM',
    )
    expect(sockets()).toEqual(before)
  })
})

describe('a watch', () => {
  /** libuv's part, and what it was told. */
  function watched() {
    const calls: string[] = []
    let tell: (status: number) => void = () => undefined
    let told = 0
    const handle = {
      start: (wanted: object) => calls.push(`start ${JSON.stringify(wanted)}`),
      ref: () => calls.push('ref'),
      unref: () => calls.push('unref'),
      close: () => calls.push('close'),
    }
    const own = watch(
      (_fd, _wanted, callback) => {
        tell = callback
        return handle
      },
      { fd: 7, local: { address: '127.0.0.1', port: 1 }, close: () => calls.push('close descriptor') },
      { onReady: () => told++, onReceived() {} },
      true,
    )
    return { own, calls, tell: (status: number) => tell(status), told: () => told }
  }

  it('goes on where libuv has stopped watching for an error', () => {
    const { own, calls, tell, told } = watched()
    tell(0)
    expect([calls.splice(0), told()]).toEqual([[], 1])
    tell(-9)
    expect([calls.splice(0), told()]).toEqual([['start {"readable":true}'], 2])
    own.awaitRoom(true)
    tell(-9)
    const both = 'start {"readable":true,"writable":true}'
    expect(calls.splice(0)).toEqual([both, both])
    own.close()
    expect(calls).toEqual(['close', 'close descriptor'])
  })

  it('ends before Node turns its loop the last time', () => {
    const { own, calls } = watched()
    const before = process.listeners('exit')
    for (const listener of before) if (listener.name === 'runAll') listener(0)
    expect(calls.splice(0)).toEqual(['close'])
    own.awaitRoom(true)
    own.hold(false)
    own.hold(true)
    own.close()
    own.hold(false)
    expect(calls, 'koffi takes no call for what is closed').toEqual(['close descriptor'])
  })
})
