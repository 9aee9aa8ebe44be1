/** What a stream has done since it began. Bytes are payload. */
export class StreamStats {
  segmentsIn = 0
  segmentsOut = 0
  /** Received, in order. */
  bytesIn = 0
  /** Sent for the first time. */
  bytesOut = 0
  retransmittedSegments = 0
  retransmittedBytes = 0
  timeouts = 0
  tailProbes = 0
  /** Times that data was found lost and the window shrank. */
  lossEpisodes = 0
  /** Times that a loss or a time-out turned out to be none, and the window was restored. */
  undone = 0
  windowProbes = 0
  keepAlives = 0
  acknowledgementsOut = 0
  /** Acknowledgements of what was never sent; each was dropped. */
  badAcknowledgements = 0
}
