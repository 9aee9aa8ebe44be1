/** A request over a stream, and the wait until as many bytes have come back. */
import type { Socket } from 'node:net'

export function exchange(socket: Socket, request: Uint8Array): Promise<void> {
  return new Promise(resolve => {
    let left = request.length
    const onData = (chunk: Buffer) => {
      left -= chunk.length
      if (left > 0) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.write(request)
  })
}

/** The other end. */
export function echo(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('data', chunk => socket.write(chunk))
  socket.on('error', () => undefined)
}
