/** A stream at its beginning, awake. */
import { Stream } from '../../../src/transport/stream.ts'
import {
  openStream,
  type StreamBeginning,
  type StreamOptions,
} from '../../../src/transport/stream-options.ts'

export function newStream(options: StreamOptions & StreamBeginning): Stream {
  return new Stream(options, openStream(options))
}
