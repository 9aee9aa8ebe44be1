/** What is wrong with bytes on a control connection. Values, as WireError's are: a decoder never throws. */
import { WireError } from '../wire/wire-error.ts'

export const controlErrors = {
  frameTooLong: new WireError('frame-too-long', 'a frame announces more bytes than it may have'),
  undecodable: new WireError('undecodable', 'the bytes of a frame are no protocol buffer of this schema'),
  unknownMessage: new WireError('unknown-message', 'a frame holds no message known here'),
  badService: new WireError('bad-service', 'a service has no 32-byte ID, or more than 256 bits'),
  badName: new WireError('bad-name', 'a service name is too long, or has more than printable ASCII'),
  badEndpoint: new WireError('bad-endpoint', 'an endpoint has no address of 4 or 16 bytes, or no port'),
  badInstance: new WireError('bad-instance', 'an instance or controller is not named by 16 bytes'),
  badNumber: new WireError('bad-number', 'a weight or priority is not a number, or less than it may be'),
  badShare: new WireError('bad-share', 'a share is of no protocol known here, or of one that has a share'),
  badSharing: new WireError('bad-sharing', 'a rule is shared as no balancer can'),
  badLoad: new WireError('bad-load', 'a load is not from 0 to 1'),
  badText: new WireError('bad-text', 'a text is too long, or holds control characters'),
  badKind: new WireError('bad-kind', 'a kind or reason is none of those known here'),
  tooMany: new WireError('too-many', 'a list is longer than it may be'),
} as const
