// Messages between two ranks, on their own communicator.

import CShoal

/// A message that arrived.
struct Message<Tag> {
  let tag: Tag
  let source: Int32
  let bytes: [UInt8]
}

/// A message that is being sent. Its bytes stay in place until it is gone.
final class OutgoingMessage {
  private let bytes: UnsafeMutableRawBufferPointer
  var request = shoal_mpi_request()

  init<Tag>(_ tag: Tag, _ payload: [UInt8], to rank: Int32, on channel: MessageChannel<Tag>) throws {
    guard let count = Int32(exactly: payload.count) else {
      throw MPIFailure(operation: "send", reason: "a message of \(payload.count) bytes is too large")
    }
    // At least one byte, so that the buffer has an address.
    bytes = .allocate(byteCount: payload.count + 1, alignment: 8)
    bytes.copyBytes(from: payload)
    try MPIFailure.check(
      shoal_mpi_send_begin(bytes.baseAddress, count, rank, tag.rawValue, channel.comm, &request),
      "send")
  }

  deinit { bytes.deallocate() }

  func isGone() throws -> Bool {
    var done: Int32 = 0
    try MPIFailure.check(shoal_mpi_test(&request, &done), "send")
    return done != 0
  }
}

/// A communicator for one kind of messages.
struct MessageChannel<Tag: RawRepresentable<Int32> & Sendable>: Sendable {
  let comm: shoal_mpi_comm
  let backgroundError: BackgroundError

  /// Receives a message from `rank` (any rank by default), if one has arrived.
  func receive(from rank: Int32 = Int32(SHOAL_MPI_ANY_RANK)) throws -> Message<Tag>? {
    var found: Int32 = 0
    var source: Int32 = 0
    var tag: Int32 = 0
    var count: Int32 = 0
    try MPIFailure.check(
      shoal_mpi_probe(rank, comm, &found, &source, &tag, &count), "look for a message")
    guard found != 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    try bytes.withUnsafeMutableBytes { bytes in
      var request = shoal_mpi_request()
      try MPIFailure.check(
        shoal_mpi_receive_begin(bytes.baseAddress, count, source, tag, comm, &request), "receive")
      try wait(for: &request, "receive", .everyoneIsHere, backgroundError)
    }
    guard let kind = Tag(rawValue: tag) else {
      throw MPIFailure(operation: "receive", reason: "rank \(source) sent an unknown tag \(tag)")
    }
    return Message(tag: kind, source: source, bytes: bytes)
  }

  /// Frees the communicator. Collective.
  func free() throws {
    var comm = comm
    try MPIFailure.check(shoal_mpi_comm_free(&comm), "free a communicator")
  }
}
