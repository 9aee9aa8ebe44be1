/** One message of every kind, with every field set. */
import type { ControlMessage, ControlRule } from '../../src/control/messages.ts'
import { endpoints, named } from './control-world.ts'

const INSTANCE = '00112233445566778899aabbccddeeff'
const OTHER = 'f'.repeat(32)

const rule: ControlRule = {
  ...named('web.example'),
  instance: INSTANCE,
  endpoints: endpoints('10.0.0.1:5000 [2001:db8::1]:5000'),
  weight: 2.5,
  priority: -3,
}
const routers = [{ instance: OTHER, name: 'serval router', endpoints: endpoints('10.0.0.9:54325') }]

export const controlSamples: readonly ControlMessage[] = [
  {
    type: 'hello',
    version: 1,
    kind: 'router',
    instance: INSTANCE,
    hostId: 'boot 1 net 2',
    hostName: 'höst',
    program: 'node server.js',
    pid: 4711,
    endpoints: endpoints('127.0.0.1:1 [::1]:65535'),
    previousController: OTHER,
    secret: 'e'.repeat(32),
  },
  { type: 'welcome', version: 1, controller: OTHER, pid: 1, leaseMs: 10_000, routers },
  {
    type: 'register',
    xid: 7,
    service: named('*.shop.example'),
    weight: 2,
    priority: 1,
    shares: [
      { protocol: 6, weight: 2, priority: 1 },
      { protocol: 17, weight: 0.5, priority: -1 },
    ],
  },
  { type: 'unregister', xid: 0xffffffff, service: named('*') },
  { type: 'ack', xid: 7, code: 'ESERVICENAME', message: 'no' },
  { type: 'endpoints', endpoints: endpoints('10.0.0.1:5000') },
  {
    type: 'ruleUpdate',
    full: true,
    more: true,
    add: [
      rule,
      { ...rule, instance: OTHER, sharing: {} },
      { ...rule, instance: OTHER, shares: [{ protocol: 17, weight: 1, priority: 1 }] },
      { ...rule, instance: OTHER, sharing: { balance: 'locality', spillAt: 0.5, hedgeAt: 0 } },
      {
        ...rule,
        instance: OTHER,
        sharing: { balance: 'random', toAll: true, slowStartMs: 500, ejectAfter: 3, hedgeAt: 0.9 },
      },
    ],
    remove: [{ ...named('old.example'), instance: INSTANCE }],
  },
  { type: 'resolve', xid: 8, service: named('web.example') },
  { type: 'resolved', xid: 8, found: true, rules: [rule], ttlMs: 30_000, asked: 'controller (pid 1)' },
  { type: 'routers', routers },
  { type: 'instanceGone', instance: INSTANCE, endpoints: endpoints('10.0.0.1:5000'), reason: 'silent' },
  { type: 'ping' },
  { type: 'pong' },
  { type: 'goodbye', reason: 'stopped' },
  {
    type: 'load',
    loads: [
      { ...named('web.example'), instance: INSTANCE, flows: 12, load: 0.25 },
      { ...named('*.shop.example'), flows: 0 },
    ],
  },
]
