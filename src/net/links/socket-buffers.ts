/** How much the kernel keeps for a socket, and what to do where it keeps less than is good. */

/** Asked for in each direction: a burst of 64 merged datagrams of 64 KiB. */
export const SOCKET_BUFFER_BYTES = 4 << 20

let hasWarned = false

/** Warns once where the kernel keeps less; `bytes` is as the system tells it. */
export function checkSocketBuffer(bytes: number): void {
  // Linux counts its own overhead in, and so doubles what is asked for (socket(7)).
  const usableBytes = process.platform === 'linux' ? bytes / 2 : bytes
  if (hasWarned || usableBytes >= SOCKET_BUFFER_BYTES) return
  hasWarned = true
  process.emitWarning(
    `UDP sockets get buffers of ${usableBytes >> 10} KiB; with ${SOCKET_BUFFER_BYTES >> 10} KiB transfers are faster: ` +
      `sysctl -w net.core.rmem_max=${SOCKET_BUFFER_BYTES} net.core.wmem_max=${SOCKET_BUFFER_BYTES}`,
    { code: 'SERVAL_SOCKET_BUFFERS' },
  )
}
