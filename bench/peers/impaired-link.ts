/**
 * A cable that delays, loses and limits, for whatever the kernel sends, TCP as well: impaired-link IMPAIRMENT (as JSON)
 *
 * Makes the TUN devices `left` and `right`, whose packets it hands from one to the other. It does nothing else, so it
 * blocks where it waits; a signal ends it, and so does the end of who started it.
 */
import { DelayLine, type Impairment } from '../support/delay-line.ts'
import { TunDevices } from '../support/tun.ts'
import { say } from './say.ts'

const LEFT = 0
const RIGHT = 1
/** Taken from one side before the other has its turn. */
const BATCH_PACKETS = 64
const LONGEST_WAIT_MS = 500

const impairment: Impairment = JSON.parse(process.argv[2] ?? '')
const devices = new TunDevices(['left', 'right'])
const toRight = new DelayLine(impairment, Math.random)
const toLeft = new DelayLine(impairment, Math.random)
const packet = new Uint8Array(2048)
const parent = process.ppid
say('ready')

while (process.ppid === parent) {
  carry(LEFT, toRight, RIGHT)
  carry(RIGHT, toLeft, LEFT)
  const nextAt = Math.min(toRight.nextAt, toLeft.nextAt)
  devices.wait(Math.min(Math.max(0, nextAt - performance.now()), LONGEST_WAIT_MS))
}

function carry(from: number, line: DelayLine, to: number): void {
  for (let packets = 0; packets < BATCH_PACKETS; packets++) {
    const length = devices.receive(from, packet)
    if (length <= 0) break
    line.push(packet.subarray(0, length), performance.now())
  }
  const now = performance.now()
  for (let due = line.shift(now); due !== undefined; due = line.shift(now)) devices.send(to, due)
}
