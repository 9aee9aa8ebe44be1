/** `serval dump FILE`: prints a capture, a line a packet, also while it is being made. */
import { type Command, InvalidArgumentError } from 'commander'
import { canonicalAddress } from '../../id/address.ts'
import { parseEndpoint } from '../../wire/endpoint.ts'
import { formatIpPacket } from '../../wire/format-packet.ts'
import { PcapReader } from '../../wire/pcap.ts'
import { integerWithin, parseService } from '../arguments.ts'
import { captureBytes, nameOfCapture } from '../dump/capture-source.ts'
import { PacketFilter, type PacketFilterOptions } from '../dump/packet-filter.ts'
import { UsageError } from '../failure.ts'
import { toldToStop } from '../lifetime.ts'
import { printLine, printNote } from '../output.ts'

interface DumpOptions extends PacketFilterOptions {
  readonly absolute?: boolean
  readonly follow?: boolean
  readonly count?: number
}

export function addDump(program: Command): void {
  program
    .command('dump')
    .summary('print captured packets, a line each')
    .description(
      'Prints the Serval packets of a capture, a line each: of tcpdump, of Wireshark (saved as pcap), or what a program ' +
        'of ours wrote because SERVAL_PCAP named a file. Both profiles are read. Standard input is printed as it comes.',
    )
    .argument('<file>', 'the capture; - for standard input')
    .option('-f, --follow', 'go on as the file grows, until it is told to end')
    .option('-c, --count <n>', 'end after so many', integerWithin({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    .option('--name <name>', 'only flows that are seen to be opened to a service', parseService)
    .option('--flow <id>', 'only of this flowID, 8 hex digits', parseFlow)
    .option('--address <address>', 'only from or to ADDRESS or ADDRESS:PORT', parseAddress)
    .option('--type <type>', 'only SYN, SYN+ACK, RSYN, FIN+ACK ..., or data', parseType)
    .option('--absolute', 'the time of day, rather than seconds since the first packet')
    .addHelpText('after', EXAMPLES)
    .action(dump)
}

const EXAMPLES = `
Wireshark and tshark read captures in full with serval.lua of this package
(dist/src/wire/wireshark).

Examples:
  $ SERVAL_PCAP=ping.pcap serval ping -c 1 web.example; serval dump ping.pcap
  $ serval router --pcap live.pcap & serval dump -f --type SYN live.pcap
  $ tcpdump -i eth0 -U -w - udp port 54325 | serval dump --name web.example -`

async function dump(file: string, options: DumpOptions): Promise<void> {
  const { absolute = false, follow = false, count = Number.POSITIVE_INFINITY } = options
  const ending = new AbortController()
  void toldToStop().then(() => ending.abort())
  const reader = new PcapReader()
  const filter = new PacketFilter(options)
  const counts = { bytes: 0, packets: 0, others: 0, printed: 0 }
  let firstAt: number | undefined
  for await (const bytes of captureBytes(file, follow, ending.signal)) {
    const packets = reader.push(bytes)
    if (typeof packets === 'string') throw new UsageError(`${nameOfCapture(file)}: ${packets}`)
    counts.bytes += bytes.length
    for (const packet of packets) {
      firstAt ??= packet.atMs
      const lines = formatIpPacket(packet.bytes)
      const time = absolute ? timeOfDay(packet.atMs) : ((packet.atMs - firstAt) / 1000).toFixed(6)
      counts.packets++
      if (lines.length === 0) counts.others++
      for (const line of lines.filter(text => filter.fits(text))) {
        printLine(`${time} ${line}`)
        if (++counts.printed === count) return
      }
    }
  }
  if (counts.bytes < MIN_CAPTURE_BYTES && !ending.signal.aborted) {
    throw new UsageError(`${nameOfCapture(file)}: it is too short for a pcap file`)
  }
  if (counts.others > 0) printNote(`${counts.others} of ${counts.packets} packets are not Serval's`)
}

/** A capture's own header. */
const MIN_CAPTURE_BYTES = 24

function timeOfDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23)
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
