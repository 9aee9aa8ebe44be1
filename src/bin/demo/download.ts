/** One download that survives the loss of its server: what is missing is asked for again, wherever the name leads then. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import http from '../../sockets/http.ts'
import type { Socket } from '../../sockets/net.ts'
import type { ClientReport, DemoFile } from './messages.ts'

/** In a row without a byte; then the file is given up. */
const MAX_ATTEMPTS = 20
const RETRY_MS = 50
const SILENCE_MS = 10_000
const REPORT_MS = 100

/** A move is made in the middle of a file, where it has something to interrupt. */
const MOVE_FROM = 0.2
const MOVE_TO = 0.6

export class Download {
  readonly #service: string
  readonly #file: DemoFile
  readonly #report: (report: ClientReport) => void
  readonly #hash = createHash('sha256')
  #atBytes = 0
  #reportedAt = 0
  /** Who served what there is of it. */
  #replica = ''
  #interruptedAt: number | undefined
  #moveTo: string | undefined

  constructor(service: string, file: DemoFile, report: (report: ClientReport) => void) {
    this.#service = service
    this.#file = file
    this.#report = report
  }

  /** Moves it when it is in its middle; false if that is over. */
  move(address: string): boolean {
    if (this.#atBytes > MOVE_TO * this.#file.bytes) return false
    this.#moveTo = address
    return true
  }

  /** Resolves when the file is complete, its hash right or not, or given up. */
  async run(): Promise<void> {
    const { name, bytes, sha256 } = this.#file
    this.#report({ type: 'begins', file: name, bytes })
    for (let failures = 0; this.#atBytes < bytes; failures++) {
      const before = this.#atBytes
      try {
        await this.#ask()
      } catch (error) {
        const { message } = error as Error
        if (this.#atBytes > before) failures = 0
        if (failures === MAX_ATTEMPTS)
          return this.#report({ type: 'failed', message: `gave ${name} up: ${message}` })
        this.#interruptedAt ??= performance.now()
        this.#report({ type: 'interrupted', message, atBytes: this.#atBytes })
        if (this.#atBytes === before) await delay(RETRY_MS)
      }
    }
    const received = this.#hash.digest('hex')
    this.#report({ type: 'completed', isIntact: received === sha256, sha256: received })
  }

  /** Asks for what is missing. Resolves at the end of the answer. */
  async #ask(): Promise<void> {
    const response = await this.#respond()
    const { atBytes } = this.#expectStart(response)
    const socket = response.socket as unknown as Socket
    const replica = String(response.headers['x-replica'])
    if (this.#interruptedAt !== undefined && atBytes > 0) {
      const gapMs = performance.now() - this.#interruptedAt
      this.#report({ type: 'resumed', from: this.#replica, to: replica, atBytes, gapMs })
    }
    this.#interruptedAt = undefined
    this.#replica = replica
    this.#report({ type: 'served', replica, address: socket.localAddress ?? '' })
    for await (const chunk of response as AsyncIterable<Uint8Array>) this.#take(chunk, socket)
    if (this.#atBytes < this.#file.bytes) throw new Error('the answer ended early')
  }

  #respond(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { range: `bytes=${this.#atBytes}-`, 'if-range': `"${this.#file.sha256}"` }
      // Each request has a flow of its own, so that each is resolved anew.
      const agent = new http.Agent({ keepAlive: false })
      const url = `http://${this.#service}/${this.#file.name}`
      const request = http.get(url, { agent, headers: this.#atBytes > 0 ? headers : {} }, resolve)
      request.on('error', reject)
      request.setTimeout(SILENCE_MS, () =>
        request.destroy(new Error(`nothing came for ${SILENCE_MS / 1000} s`)),
      )
    })
  }

  #expectStart({ statusCode, headers }: IncomingMessage): { atBytes: number } {
    const [, start] = /^bytes (\d+)-/.exec(headers['content-range'] ?? '') ?? []
    const atBytes = statusCode === 206 ? Number(start) : 0
    if ((statusCode === 200 || statusCode === 206) && atBytes === this.#atBytes) return { atBytes }
    throw new Error(`asked for bytes from ${this.#atBytes} on, got status ${statusCode} from ${atBytes}`)
  }

  #take(chunk: Uint8Array, socket: Socket): void {
    this.#hash.update(chunk)
    this.#atBytes += chunk.length
    const now = performance.now()
    if (now - this.#reportedAt >= REPORT_MS) {
      this.#reportedAt = now
      this.#report({ type: 'progress', atBytes: this.#atBytes })
    }
    if (this.#moveTo === undefined || this.#atBytes < MOVE_FROM * this.#file.bytes) return
    void this.#moveSocket(socket, this.#moveTo)
    this.#moveTo = undefined
  }

  async #moveSocket(socket: Socket, to: string): Promise<void> {
    const from = socket.localAddress ?? ''
    const atBytes = this.#atBytes
    const startedAt = performance.now()
    try {
      await socket.migrate({ address: to })
      this.#report({ type: 'moved', from, to, atBytes, confirmedMs: performance.now() - startedAt })
    } catch (error) {
      this.#report({ type: 'failed', message: `could not move to ${to}: ${(error as Error).message}` })
    }
  }
}
