/**
 * Control messages to frames and back. The protocol buffer layer is generated from control.proto; here its
 * loose fields become values that hold what messages.ts promises, every length bounded.
 */
import { WireError } from '../wire/wire-error.ts'
import { controlErrors } from './control-error.ts'
import {
  clip,
  emitEndpoint,
  emitInstance,
  emitKnown,
  emitLoad,
  emitRouter,
  emitRule,
  emitRuleKey,
  emitService,
  emitShares,
  parseChoice,
  parseEndpoints,
  parseInstance,
  parseKnown,
  parseLoads,
  parseRouters,
  parseRuleKeys,
  parseRules,
  parseService,
  parseShares,
  parseText,
} from './fields.ts'
import { emitFrame } from './frame.ts'
import { serval } from './generated/control.js'
import type { ControlMessage, GoneReason, HelloKind } from './messages.ts'

/** The message in the body of a frame; never throws. */
export function parseMessage(body: Uint8Array): ControlMessage | WireError {
  try {
    const fields = serval.control.Message.decode(body)
    return fields.body === undefined ? controlErrors.unknownMessage : parseBody(fields.body, fields)
  } catch (error) {
    // protobufjs throws on malformed bytes, and the field parsers do as it does.
    return error instanceof WireError ? error : controlErrors.undecodable
  }
}

/** A whole frame. RangeError for what no frame can hold: no IP address, more than MAX_FRAME_BYTES. */
export function emitMessage(message: ControlMessage): Uint8Array {
  return emitFrame(serval.control.Message.encode(emitBody(message.type, message)).finish())
}

type MessageType = ControlMessage['type']
type MessageOf<T extends MessageType> = Extract<ControlMessage, { type: T }>
type FieldsOf<T extends MessageType> = NonNullable<serval.control.Message.$Properties[T]>

interface BodyCodec<T extends MessageType> {
  parse(fields: FieldsOf<T>): Omit<MessageOf<T>, 'type'>
  emit(message: MessageOf<T>): FieldsOf<T>
}

/** The numbers of control.proto's enums. */
const KINDS: readonly (HelloKind | undefined)[] = [undefined, 'host', 'router', 'probe']
const REASONS: readonly (GoneReason | undefined)[] = [undefined, 'died', 'silent']

const codecs: { readonly [T in MessageType]: BodyCodec<T> } = {
  hello: {
    parse: fields => ({
      version: fields.version ?? 0,
      kind: parseChoice(KINDS, fields.kind),
      instance: parseInstance(fields.instance),
      hostId: parseText(fields.hostId),
      hostName: parseText(fields.hostName),
      program: parseText(fields.program),
      pid: fields.pid ?? 0,
      endpoints: parseEndpoints(fields.endpoints),
      previousController: parseKnown(fields.previousController),
      secret: parseKnown(fields.secret),
    }),
    emit: ({ version, kind, instance, hostId, hostName, program, pid, endpoints, ...more }) => ({
      version,
      kind: KINDS.indexOf(kind),
      instance: emitInstance(instance),
      hostId: clip(hostId),
      hostName: clip(hostName),
      program: clip(program),
      pid,
      endpoints: endpoints.map(emitEndpoint),
      previousController: emitKnown(more.previousController),
      secret: emitKnown(more.secret),
    }),
  },
  welcome: {
    parse: fields => ({
      version: fields.version ?? 0,
      controller: parseInstance(fields.controller),
      pid: fields.pid ?? 0,
      leaseMs: fields.leaseMs ?? 0,
      routers: parseRouters(fields.routers),
    }),
    emit: ({ version, controller, pid, leaseMs, routers }) => ({
      version,
      controller: emitInstance(controller),
      pid,
      leaseMs,
      routers: routers.map(emitRouter),
    }),
  },
  register: {
    parse: fields => ({
      xid: fields.xid ?? 0,
      service: parseService(fields.service),
      ...parseShares(fields),
    }),
    emit: ({ xid, service, ...shares }) => ({ xid, service: emitService(service), ...emitShares(shares) }),
  },
  unregister: {
    parse: fields => ({ xid: fields.xid ?? 0, service: parseService(fields.service) }),
    emit: ({ xid, service }) => ({ xid, service: emitService(service) }),
  },
  ack: {
    parse: fields => ({
      xid: fields.xid ?? 0,
      code: parseText(fields.code),
      message: parseText(fields.message),
    }),
    emit: ({ xid, code, message }) => ({ xid, code: clip(code), message: clip(message) }),
  },
  endpoints: {
    parse: fields => ({ endpoints: parseEndpoints(fields.endpoints) }),
    emit: ({ endpoints }) => ({ endpoints: endpoints.map(emitEndpoint) }),
  },
  ruleUpdate: {
    parse: fields => ({
      full: fields.full ?? false,
      more: fields.more ?? false,
      add: parseRules(fields.add),
      remove: parseRuleKeys(fields.remove),
    }),
    emit: ({ full, more, add, remove }) => ({
      full,
      more,
      add: add.map(emitRule),
      remove: remove.map(emitRuleKey),
    }),
  },
  resolve: {
    parse: fields => ({ xid: fields.xid ?? 0, service: parseService(fields.service) }),
    emit: ({ xid, service }) => ({ xid, service: emitService(service) }),
  },
  resolved: {
    parse: fields => ({
      xid: fields.xid ?? 0,
      found: fields.found ?? false,
      rules: parseRules(fields.rules),
      ttlMs: fields.ttlMs ?? 0,
      asked: parseText(fields.asked),
    }),
    emit: ({ xid, found, rules, ttlMs, asked }) => ({
      xid,
      found,
      rules: rules.map(emitRule),
      ttlMs,
      asked: clip(asked),
    }),
  },
  routers: {
    parse: fields => ({ routers: parseRouters(fields.routers) }),
    emit: ({ routers }) => ({ routers: routers.map(emitRouter) }),
  },
  instanceGone: {
    parse: fields => ({
      instance: parseInstance(fields.instance),
      endpoints: parseEndpoints(fields.endpoints),
      reason: parseChoice(REASONS, fields.reason),
    }),
    emit: ({ instance, endpoints, reason }) => ({
      instance: emitInstance(instance),
      endpoints: endpoints.map(emitEndpoint),
      reason: REASONS.indexOf(reason),
    }),
  },
  ping: { parse: () => ({}), emit: () => ({}) },
  pong: { parse: () => ({}), emit: () => ({}) },
  goodbye: {
    parse: fields => ({ reason: parseText(fields.reason) }),
    emit: ({ reason }) => ({ reason: clip(reason) }),
  },
  load: {
    parse: fields => ({ loads: parseLoads(fields.loads) }),
    emit: ({ loads }) => ({ loads: loads.map(emitLoad) }),
  },
}

function parseBody<T extends MessageType>(
  type: T,
  fields: serval.control.Message.$Properties,
): ControlMessage {
  return { type, ...codecs[type].parse(fields[type] as FieldsOf<T>) } as MessageOf<T>
}

function emitBody<T extends MessageType>(
  type: T,
  message: ControlMessage,
): serval.control.Message.$Properties {
  return { [type]: codecs[type].emit(message as MessageOf<T>) }
}
