/** A stream at its beginning, awake. */
import {
  openStream,
  Stream,
  type StreamBeginning,
  type StreamOptions,
} from '../../../src/transport/stream.ts'

export function newStream(options: StreamOptions & StreamBeginning): Stream {
  return new Stream(options, openStream(options))
}
