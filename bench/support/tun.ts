/**
 * TUN devices of Linux: network interfaces whose cable is a file descriptor, a packet a read or a write (tuntap.rst of the
 * kernel's documentation). Through koffi, as Node has no ioctl(2).
 */
import { createRequire } from 'node:module'
import { endianness } from 'node:os'

/** Numbers of the Linux ABI, the same on x86-64 and arm64. */
const LINUX = {
  O_RDWR: 2,
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  TUNSETIFF: 0x400454ca,
  IFF_TUN: 0x0001,
  /** Nothing but the packet. */
  IFF_NO_PI: 0x1000,
  POLLIN: 0x0001,
} as const

/** struct ifreq: a name, then a union of 24 bytes. */
const IFREQ_BYTES = 40
const IFREQ_FLAGS = 16

const IS_LITTLE_ENDIAN = endianness() === 'LE'

interface Koffi {
  load(path: null): { func(definition: string): (...args: unknown[]) => number }
  errno(): number
}

export class TunDevices {
  readonly #descriptors: readonly number[]
  readonly #read: (fd: number, buffer: Uint8Array, length: number) => number
  readonly #write: (fd: number, buffer: Uint8Array, length: number) => number
  readonly #ppoll: (polls: Uint8Array, count: number, timeout: BigInt64Array, mask: null) => number
  /** An array of struct pollfd. */
  readonly #polls: Uint8Array
  /** struct timespec. */
  readonly #timeout = new BigInt64Array(2)

  /** Makes one of each name, in the namespace of this process. Throws where that is not allowed. */
  constructor(names: readonly string[]) {
    const koffi: Koffi = createRequire(import.meta.url)('koffi')
    const libc = koffi.load(null)
    const open = libc.func('int open(const char *path, int flags)')
    const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)')
    this.#read = libc.func('intptr_t read(int fd, void *buffer, size_t length)')
    this.#write = libc.func('intptr_t write(int fd, const void *buffer, size_t length)')
    this.#ppoll = libc.func(
      'int ppoll(void *polls, unsigned long count, const void *timeout, const void *mask)',
    )
    this.#descriptors = names.map(name => {
      const fd = open('/dev/net/tun', LINUX.O_RDWR | LINUX.O_NONBLOCK | LINUX.O_CLOEXEC)
      if (fd < 0 || ioctl(fd, LINUX.TUNSETIFF, interfaceRequest(name)) < 0) {
        throw new Error(`no TUN device: error ${koffi.errno()} of the system`)
      }
      return fd
    })
    this.#polls = pollsOf(this.#descriptors)
  }

  /** Bytes of the next packet that the kernel sends by a device, put into `buffer`; negative: there is none. */
  receive(device: number, buffer: Uint8Array): number {
    return this.#read(this.#descriptors[device]!, buffer, buffer.length)
  }

  /** A packet that comes in by a device. What the kernel does not take is lost, as on any cable. */
  send(device: number, packet: Uint8Array): void {
    this.#write(this.#descriptors[device]!, packet, packet.length)
  }

  /** Blocks until a device has a packet, at most so long. */
  wait(ms: number): void {
    this.#timeout[0] = BigInt(Math.floor(ms / 1000))
    this.#timeout[1] = BigInt(Math.round((ms % 1000) * 1e6))
    this.#ppoll(this.#polls, this.#descriptors.length, this.#timeout, null)
  }
}

function interfaceRequest(name: string): Uint8Array {
  const request = Buffer.alloc(IFREQ_BYTES)
  request.write(name)
  const flags = LINUX.IFF_TUN | LINUX.IFF_NO_PI
  if (IS_LITTLE_ENDIAN) request.writeUInt16LE(flags, IFREQ_FLAGS)
  else request.writeUInt16BE(flags, IFREQ_FLAGS)
  return request
}

/** struct pollfd: | fd 4 | events 2 | revents 2 | */
function pollsOf(descriptors: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * descriptors.length))
  for (const [index, fd] of descriptors.entries()) {
    view.setInt32(8 * index, fd, IS_LITTLE_ENDIAN)
    view.setInt16(8 * index + 4, LINUX.POLLIN, IS_LITTLE_ENDIAN)
  }
  return new Uint8Array(view.buffer)
}
