/** `serval dump FILE`: prints a capture, a line a packet. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { formatIpPacket } from '../../wire/format-packet.ts'
import { parsePcap } from '../../wire/pcap.ts'
import { UsageError } from '../failure.ts'
import { printLine, printNote } from '../output.ts'

export function addDump(program: Command): void {
  program
    .command('dump')
    .summary('print captured packets, a line each')
    .description(
      'Prints the Serval packets of a capture, a line each: of tcpdump, of Wireshark (saved as pcap), or what a program ' +
        'of ours wrote because SERVAL_PCAP named a file. Both profiles are read.',
    )
    .argument('<file>', 'the capture; - for standard input')
    .option('--absolute', 'the time of day, rather than seconds since the first packet')
    .addHelpText('after', EXAMPLES)
    .action(dump)
}

const EXAMPLES = `
Wireshark and tshark read captures in full with serval.lua of this package
(dist/src/wire/wireshark).

Examples:
  $ SERVAL_PCAP=ping.pcap serval ping -c 1 web.example; serval dump ping.pcap
  $ tcpdump -i eth0 -w - udp port 54325 | serval dump -`

function dump(file: string, { absolute = false }: { readonly absolute?: boolean }): void {
  const packets = parsePcap(read(file))
  if (typeof packets === 'string') throw new UsageError(`${nameOf(file)}: ${packets}`)
  const firstAt = packets[0]?.atMs ?? 0
  let others = 0
  for (const { atMs, bytes } of packets) {
    const lines = formatIpPacket(bytes)
    const time = absolute ? new Date(atMs).toISOString().slice(11, 23) : ((atMs - firstAt) / 1000).toFixed(6)
    for (const line of lines) printLine(`${time} ${line}`)
    if (lines.length === 0) others++
  }
  if (others > 0) printNote(`${others} of ${packets.length} packets are not Serval's`)
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file)
  } catch (error) {
    throw new UsageError(`${nameOf(file)} cannot be read: ${(error as Error).message}`)
  }
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file
}

const STANDARD_INPUT = 0
