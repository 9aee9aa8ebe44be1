/** What the router's main thread and its workers tell each other: values that `postMessage` copies. */
import type { MessagePort } from 'node:worker_threads'
import { ServiceId } from '../../id/service-id.ts'
import { ServicePrefix } from '../../id/service-prefix.ts'
import type { Load } from '../../service/balance/observed.ts'
import type { Rule, RuleOrigin } from '../../service/rule.ts'
import type { TargetSelector } from '../../service/service-entry.ts'
import type { ServiceTable } from '../../service/service-table.ts'
import type { Endpoint } from '../../wire/endpoint.ts'
import type { EntryCounts } from '../rule-status.ts'

/** What a worker is born with. */
export interface WorkerStart {
  readonly port: MessagePort
  /** Read and written with Atomics: how many messages have been posted to this worker. */
  readonly posted: Int32Array
  /** Its part of the statistics (`WORKER_COUNTERS`). */
  readonly counters: Float64Array
  readonly bell: number
  /** The clock of the main thread: what it calls 0, in milliseconds since 1970. */
  readonly timeOrigin: number
  readonly routeSecret: Uint8Array
  readonly tableSalt: number
  /** Subnets that may send; none: all. */
  readonly allowed: readonly string[]
  /** A capture to which what comes and goes is added; undefined: none. */
  readonly capture: string | undefined
}

export type ToWorker =
  | {
      readonly type: 'open'
      readonly id: number
      readonly fd: number
      readonly endpoint: Endpoint
      readonly prefixBits: number
    }
  /** A router's to be replaced; its clock is ahead by so much. */
  | { readonly type: 'adopt'; readonly routeSecret: Uint8Array; readonly aheadMs: number }
  /** It has the rules that it needs: what waits in the sockets may be read. */
  | { readonly type: 'begin' }
  | { readonly type: 'close'; readonly id: number }
  | { readonly type: 'rules'; readonly changes: readonly Change[] }
  | { readonly type: 'refuse'; readonly under: Prefix }
  /** Answered by `counted`. */
  | { readonly type: 'count'; readonly question: number; readonly prefixes: readonly Prefix[] }
  | { readonly type: 'routers'; readonly endpoints: readonly string[] }
  /** Somebody looks on, or nobody any more: answered by `seen` again and again. */
  | { readonly type: 'watch'; readonly isWatched: boolean }
  | { readonly type: 'end' }

export type FromWorker =
  /** Packets wait for somebody to find out who serves this. */
  | { readonly type: 'resolve'; readonly id: Uint8Array }
  | { readonly type: 'counted'; readonly question: number; readonly counts: RuleCounts }
  /** The capture goes no further, and why. */
  | { readonly type: 'uncaptured'; readonly why: string }
  | { readonly type: 'seen'; readonly packets: readonly SeenPacket[]; readonly missed: number }

/** What came or went while somebody looked on. */
export interface SeenPacket {
  readonly bytes: Uint8Array
  readonly source: Endpoint
  readonly destination: Endpoint
  /** By the clock of the main thread. */
  readonly atMs: number
}

/** Of each prefix that was asked about; undefined: the worker has no rule for it. */
export type RuleCounts = readonly (EntryCounts | undefined)[]

/**
 * A ServicePrefix, its bytes as the characters of a text: an array of bytes that is posted becomes memory outside the heap,
 * and ten thousand of them a collection of garbage that packets wait for.
 */
export interface Prefix {
  readonly id: string
  readonly bits: number
}

/** In the order in which they are made. `release`: what waits under a prefix may be able to go on. */
export type Change = TableChange | { readonly verb: 'release'; readonly under: Prefix }

/** A change of a service table that all workers make as well. */
export type TableChange =
  | {
      readonly verb: 'insert'
      readonly prefix: Prefix
      readonly rule: Rule
      readonly origin: RuleOrigin
    }
  | {
      readonly verb: 'replace'
      readonly prefix: Prefix
      readonly rules: readonly Rule[]
      readonly origin: RuleOrigin
      readonly selector: TargetSelector | undefined
    }
  | { readonly verb: 'remove'; readonly prefix: Prefix; readonly selector: TargetSelector | undefined }
  | {
      readonly verb: 'removeEverywhere'
      readonly selector: TargetSelector
      readonly under: Prefix
    }
  | {
      readonly verb: 'setAlive'
      readonly prefix: Prefix
      readonly endpoint: Endpoint
      readonly alive: boolean
    }
  | {
      readonly verb: 'reportLoad'
      readonly prefix: Prefix
      readonly endpoint: Endpoint
      readonly load: Load
      /** By the clock of the main thread. */
      readonly nowMs: number
    }

export function packPrefix({ id, bits }: ServicePrefix): Prefix {
  return { id: Buffer.from(id.toBytes()).toString('latin1'), bits }
}

export function unpackPrefix({ id, bits }: Prefix): ServicePrefix {
  return new ServicePrefix(ServiceId.fromBytes(Buffer.from(id, 'latin1')), bits)
}

/** Makes a change that another table has made, and so could not fail there. */
export function applyChange(table: ServiceTable, change: TableChange): void {
  switch (change.verb) {
    case 'insert':
      return table.insert(unpackPrefix(change.prefix), change.rule, change.origin)
    case 'replace':
      return table.replace(unpackPrefix(change.prefix), change.rules, change.origin, change.selector)
    case 'remove':
      table.remove(unpackPrefix(change.prefix), change.selector)
      return
    case 'removeEverywhere':
      table.removeEverywhere(change.selector, unpackPrefix(change.under))
      return
    case 'setAlive':
      table.setAlive(unpackPrefix(change.prefix), change.endpoint, change.alive)
      return
    case 'reportLoad':
      table.reportLoad(unpackPrefix(change.prefix), change.endpoint, change.load, change.nowMs)
  }
}
