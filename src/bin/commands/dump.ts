/** `serval dump`: prints packets, a line each: those of running processes as they pass, or of a capture. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { canonicalAddress } from '../../id/address.ts'
import { parseEndpoint } from '../../wire/endpoint.ts'
import { formatIpPacket } from '../../wire/format-packet.ts'
import type { CapturedPacket } from '../../wire/pcap.ts'
import { integerWithin, parseService } from '../arguments.ts'
import { capturePackets } from '../dump/capture-packets.ts'
import { type LivePacket, livePackets } from '../dump/live-packets.ts'
import { PacketFilter, type PacketFilterOptions } from '../dump/packet-filter.ts'
import { captureWriter, lineWriter } from '../dump/packet-writer.ts'
import { UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printNote } from '../output.ts'
import { processOption } from '../processes.ts'

interface DumpOptions extends PacketFilterOptions {
  readonly absolute?: boolean
  readonly follow?: boolean
  readonly count?: number
  readonly of?: string
  readonly write?: string
}

export function addDump(program: Command): void {
  program
    .command('dump')
    .summary('print packets, a line each')
    .description(
      'Prints Serval packets, a line each, as tcpdump does. Without FILE: those of the programs and routers of this user ' +
        'on this host, live, behind the pid of who sent or received them. With FILE: those of a capture, of tcpdump, ' +
        'of Wireshark (saved as pcap), or of a program of ours (--pcap, SERVAL_PCAP). Both profiles are read.',
    )
    .argument('[file]', 'a capture; - for standard input, as it comes')
    .addOption(processOption())
    .option('-f, --follow', 'go on as the file grows, until it is told to end')
    .option('-c, --count <n>', 'end after so many', integerWithin({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    .option('--name <name>', 'only flows that are seen to be opened to a service', parseService)
    .option('--flow <id>', 'only of this flowID, 8 hex digits', parseFlow)
    .option('--address <address>', 'only from or to ADDRESS or ADDRESS:PORT', parseAddress)
    .option('--type <type>', 'only SYN, SYN+ACK, RSYN, FIN+ACK ..., or data', parseType)
    .option('--absolute', 'the time of day, rather than seconds since the first packet')
    .addOption(
      new Option('-w, --write <file>', 'write a capture instead; - for standard output').conflicts(
        'absolute',
      ),
    )
    .addHelpText('after', EXAMPLES)
    .action(dump)
}

const EXAMPLES = `
Programs show their packets to their own user only, and it costs them nothing
while nobody looks. A packet between two programs of this host is seen twice.
Wireshark and tshark read captures in full with serval.lua of this package
(dist/src/wire/wireshark).

Examples:
  $ serval dump --name web.example                  live
  $ serval dump --of 4242 -w - | wireshark -k -i -
  $ SERVAL_PCAP=ping.pcap serval ping -c 1 web.example; serval dump ping.pcap
  $ tcpdump -i eth0 -U -w - udp port 54325 | serval dump --name web.example -`

async function dump(file: string | undefined, options: DumpOptions): Promise<void> {
  const { absolute = false, follow = false, count = Number.POSITIVE_INFINITY, of, write } = options
  if (file !== undefined && of !== undefined) {
    throw new UsageError('--of is for what passes live: give it, or a file')
  }
  const ending = new AbortController()
  void toldToStop().then(() => ending.abort())
  const source: AsyncIterable<readonly (CapturedPacket | LivePacket)[]> =
    file === undefined ? livePackets(of, ending.signal) : capturePackets(file, follow, ending.signal)
  const filter = new PacketFilter(options)
  const writer = write === undefined ? lineWriter(absolute) : captureWriter(write)
  const counts = { packets: 0, others: 0, shown: 0 }
  for await (const packets of source) {
    for (const packet of packets) {
      const lines = formatIpPacket(packet.bytes)
      counts.packets++
      if (lines.length === 0) counts.others++
      const wanted = lines.filter(text => filter.fits(text)).slice(0, count - counts.shown)
      if (wanted.length === 0) continue
      writer.write(packet, wanted, of === undefined && 'pid' in packet ? String(packet.pid) : '')
      counts.shown += wanted.length
      if (counts.shown === count) return writer.close()
    }
  }
  writer.close()
  if (counts.others > 0) printNote(`${counts.others} of ${counts.packets} packets are not Serval's`)
}

function parseFlow(text: string): string {
  if (/^[0-9a-f]{8}$/i.test(text)) return text
  throw new InvalidArgumentError('A flowID is accepted, 8 hex digits as serval flows prints them.')
}

function parseAddress(text: string): string {
  const endpoint = parseEndpoint(text)
  if (endpoint !== undefined && canonicalAddress(endpoint.address) !== undefined) return text
  const address = canonicalAddress(text)
  if (address !== undefined) return address
  throw new InvalidArgumentError('ADDRESS or ADDRESS:PORT is accepted, IPv6 with a port in brackets.')
}

function parseType(text: string): string {
  const flags = new Set(['SYN', 'RSYN', 'ACK', 'NACK', 'RST', 'FIN'])
  if (
    text === 'data' ||
    text
      .toUpperCase()
      .split('+')
      .every(flag => flags.has(flag))
  )
    return text
  throw new InvalidArgumentError('Flags are accepted, as in SYN or SYN+ACK, or data.')
}
