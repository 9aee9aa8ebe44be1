/**
 * A network whose datagrams are written to a capture as well (pcap, for Wireshark and `serval dump`): what a program
 * sends and receives, packet by packet, as on the wire, whatever the kernel cuts and merges.
 */
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { ServalError } from '../../errors.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import { pcapFileHeader } from '../../wire/pcap.ts'
import type { TransmitBatch } from '../../wire/transmit-batch.ts'
import type { HostAddress, Link, LinkEvents, Network } from './link.ts'
import { type PacketRecords, packetRecords } from './packet-records.ts'

/** `network`, captured where `path` names a file: `%p` in it stands for the process's number. */
export function captured(network: Network, path: string | undefined): Network {
  return path === undefined ? network : new CapturedNetwork(network, CaptureFile.at(path))
}

/**
 * A capture made anew for threads of this process that append to it, with its header; returns its path. What is no file (a pipe)
 * would mix what they write: undefined, and it is left alone. Throws ERR_INVALID_ARG_VALUE.
 */
export function newSharedCapture(path: string): string | undefined {
  const real = pathOf(path)
  const isFile = statSync(real, { throwIfNoEntry: false })?.isFile() ?? true
  return isFile ? CaptureFile.at(path).path : undefined
}

function pathOf(path: string): string {
  return path.replaceAll('%p', String(process.pid))
}

/** Records gather for so long, or so many bytes, before they are written. */
const FLUSH_MS = 100
const FLUSH_BYTES = 1 << 16

class CaptureFile {
  /** Stacks of one process write to one file. */
  static readonly #open = new Map<string, CaptureFile>()
  readonly path: string
  readonly #fd: number
  #records: Uint8Array[] = [pcapFileHeader()]
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  /** The process is ending: what flows say last is written at once. */
  #isLast = false

  /** The file at `path`, made anew once a process. Throws ERR_INVALID_ARG_VALUE. */
  static at(path: string): CaptureFile {
    const real = pathOf(path)
    const file = CaptureFile.#open.get(real) ?? new CaptureFile(real)
    CaptureFile.#open.set(real, file)
    return file
  }

  private constructor(path: string) {
    this.path = path
    try {
      this.#fd = openSync(path, 'w')
    } catch (cause) {
      const expected = 'a file that can be written'
      const received = (cause as Error).message
      throw new ServalError('ERR_INVALID_ARG_VALUE', { argument: 'pcap', expected, received }, { cause })
    }
    this.#flush()
    process.on('exit', () => {
      this.#isLast = true
      this.#flush()
    })
  }

  write(records: readonly Uint8Array[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += record.length
    }
    if (this.#isLast || this.#bytes >= FLUSH_BYTES) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const data = Buffer.concat(this.#records)
    this.#records = []
    this.#bytes = 0
    try {
      for (let at = 0; at < data.length; ) at += writeSync(this.#fd, data, at)
    } catch (error) {
      this.#giveUp(error as Error)
    }
  }

  /** A full disk ends the capture, not the program. */
  #giveUp({ message }: Error): void {
    this.write = () => undefined
    closeSync(this.#fd)
    warnOfEnd(this.path, message)
  }
}

/** Says that a capture goes no further. */
export function warnOfEnd(path: string, why: string): void {
  process.emitWarning(`the capture ${path} ends here: ${why}`, { code: 'SERVAL_PCAP' })
}

class CapturedNetwork implements Network {
  readonly id: string
  readonly isRawIp: boolean
  readonly #network: Network
  readonly #file: CaptureFile
  readonly #recordsOf: PacketRecords

  constructor(network: Network, file: CaptureFile) {
    this.id = network.id
    this.#network = network
    this.#file = file
    this.isRawIp = network.isRawIp === true
    this.#recordsOf = packetRecords(this.isRawIp)
  }

  addresses(): readonly HostAddress[] {
    return this.#network.addresses()
  }

  open(id: number, address: HostAddress, port: number, events: LinkEvents): Link {
    const record: Recorder = (buffer, length, source, destination) => {
      const atMs = performance.timeOrigin + performance.now()
      this.#file.write(this.#recordsOf(buffer, length, source, destination, atMs))
    }
    return new CapturedLink(record, events, inner => this.#network.open(id, address, port, inner))
  }

  receiveBufferBytes(): number | undefined {
    return this.#network.receiveBufferBytes?.()
  }

  watch(onChange: () => void): () => void {
    return this.#network.watch?.(onChange) ?? (() => undefined)
  }
}

type Recorder = (buffer: Uint8Array, length: number, source: Endpoint, destination: Endpoint) => void

class CapturedLink implements Link {
  readonly #record: Recorder
  readonly #link: Link

  constructor(record: Recorder, events: LinkEvents, open: (inner: LinkEvents) => Link) {
    this.#record = record
    this.#link = open({
      onDatagram: (_link, buffer, length, remote) => {
        this.#record(buffer, length, remote, this.endpoint)
        return events.onDatagram(this, buffer, length, remote)
      },
      onError: (_link, code, remote) => events.onError(this, code, remote),
      onDrain: () => events.onDrain(this),
    })
  }

  get id(): number {
    return this.#link.id
  }

  get endpoint(): Endpoint {
    return this.#link.endpoint
  }

  get full(): boolean {
    return this.#link.full
  }

  get queuedBytes(): number {
    return this.#link.queuedBytes
  }

  send(batch: TransmitBatch): boolean {
    this.#record(batch.buffer, batch.length, this.endpoint, batch.remote)
    return this.#link.send(batch)
  }

  hold(isRef: boolean): void {
    this.#link.hold(isRef)
  }

  close(): void {
    this.#link.close()
  }
}
