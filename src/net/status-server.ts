/** A stack's status socket. It keeps no process alive, and goes with it. */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { atExit } from './at-exit.ts'
import type { StackStatus, StatusRequest } from './status.ts'

/** A question is short, and its asker does not linger. */
const MAX_REQUEST_CHARACTERS = 4096
const IDLE_MS = 5000

export class StatusServer {
  readonly path: string
  readonly #server: Server
  readonly #connections = new Set<Socket>()
  #forget: (() => void) | undefined

  constructor(path: string, answer: (request: StatusRequest) => StackStatus) {
    this.path = path
    this.#server = createServer(connection => this.#serve(connection, answer))
    this.#server.unref()
  }

  /** Resolves when it can be asked. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.path, () => {
        chmodSync(this.path, 0o600)
        this.#forget = atExit(() => rmSync(this.path, { force: true }))
        resolve()
      })
    })
  }

  close(): void {
    this.#forget?.()
    this.#server.close()
    for (const connection of this.#connections) connection.destroy()
  }

  #serve(connection: Socket, answer: (request: StatusRequest) => StackStatus): void {
    this.#connections.add(connection)
    connection.unref()
    connection.setEncoding('utf8')
    connection.setTimeout(IDLE_MS, () => connection.destroy())
    connection.on('error', () => connection.destroy())
    connection.on('close', () => this.#connections.delete(connection))
    let text = ''
    connection.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const request = parseRequest(line)
        if (request === undefined) connection.destroy()
        else connection.write(`${JSON.stringify(answer(request))}\n`)
        if (request?.ask === 'watch') connection.setTimeout(0)
      }
      if (text.length > MAX_REQUEST_CHARACTERS) connection.destroy()
    })
  }
}

function parseRequest(line: string): StatusRequest | undefined {
  try {
    const request: StatusRequest = JSON.parse(line)
    if (request.ask === 'status' || request.ask === 'watch') return request
    return request.ask === 'service' && typeof request.serviceId === 'string' ? request : undefined
  } catch {
    return undefined
  }
}
