/** Where `serval dump` puts packets: a line each on stdout, or a capture of those that were asked for. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { type CapturedPacket, pcapFileHeader, pcapIpRecord } from '../../wire/pcap.ts'
import { UsageError } from '../failure.ts'
import { printLine } from '../output.ts'

export interface PacketWriter {
  /** `lines`: those of the packet that are wanted, one at least; `label` says whose it is. */
  write(packet: CapturedPacket, lines: readonly string[], label: string): void
  close(): void
}

/** `absolute`: with the time of day, rather than seconds since the first packet. */
export function lineWriter(absolute: boolean): PacketWriter {
  let firstAt: number | undefined
  return {
    write: ({ atMs }, lines, label) => {
      firstAt ??= atMs
      const time = absolute ? timeOfDay(atMs) : ((atMs - firstAt) / 1000).toFixed(6)
      for (const line of lines) printLine([time, label, line].filter(text => text !== '').join(' '))
    },
    close: () => undefined,
  }
}

/** `-`: standard output, which must not be a terminal. Throws a UsageError where the file cannot be written. */
export function captureWriter(path: string): PacketWriter {
  if (path === '-' && process.stdout.isTTY) {
    throw new UsageError(
      '--write: a capture is not for a terminal: name a file, or pipe it to wireshark -k -i -',
    )
  }
  const put = path === '-' ? toStandardOutput() : toFile(path)
  put.write(pcapFileHeader())
  return { write: packet => put.write(pcapIpRecord(packet.bytes, packet.atMs)), close: put.close }
}

function toStandardOutput() {
  return { write: (bytes: Uint8Array) => void process.stdout.write(bytes), close: () => undefined }
}

function toFile(path: string) {
  const fd = attempt(path, () => openSync(path, 'w'))
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; ) at += attempt(path, () => writeSync(fd, bytes, at))
  }
  return { write, close: () => closeSync(fd) }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new UsageError(`${path} cannot be written: ${(error as Error).message}`)
  }
}

function timeOfDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23)
}
