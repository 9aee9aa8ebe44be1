/** What tells whether two processes reach each other by loopback addresses. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Equal for processes of one network namespace of one running system; opaque. */
export function hostId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}/${readlinkSync('/proc/self/ns/net')}`
  } catch {
    return hostname()
  }
}
