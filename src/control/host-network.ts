/** What a hostId says of the network that a process's addresses belong to: `boot/namespace`, or `boot/namespace/raw-ip`. */

/** Ends the hostId of a process whose packets travel on raw IP, as the 2014 profile's do. */
export const RAW_IP = 'raw-ip'

/** Whether processes with these hostIds speak over the same network: over UDP, or on raw IP. */
export function isSameNetwork(hostId: string, other: string): boolean {
  return isOnRawIp(hostId) === isOnRawIp(other)
}

function isOnRawIp(hostId: string): boolean {
  return hostId.endsWith(`/${RAW_IP}`)
}
