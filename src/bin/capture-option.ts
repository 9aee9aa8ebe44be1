/** `--pcap FILE`, of every command that sends packets: SERVAL_PCAP on the command line. */
import { type Command, Option } from 'commander'

export function captureOption(): Option {
  return new Option('--pcap <file>', 'write all packets to a capture, for Wireshark or serval dump')
}

/** What `command` was given is the configuration of this process, stronger than its variables. */
export function useCapture(command: Command): void {
  const { pcap } = command.opts<{ pcap?: string }>()
  if (pcap !== undefined) process.env.SERVAL_PCAP = pcap
}
