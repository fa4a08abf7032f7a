// The messages of the watch, on a communicator of their own.

import CShoal

/// A communicator for the watch alone.
struct WatchChannel: Sendable {
  let comm: shoal_mpi_comm

  /// Takes a message if one is there: a pulse, or nil for goodbye.
  func receive() throws -> (source: Int, pulse: Pulse?)? {
    var (found, source, tag, count) = (Int32(0), Int32(0), Int32(0), Int32(0))
    try MPIFailure.check(
      shoal_mpi_probe(Int32(SHOAL_MPI_ANY_RANK), comm, &found, &source, &tag, &count), "look for a pulse")
    guard found != 0 else { return nil }
    guard count == 8 else {
      throw MPIFailure(operation: "watch", reason: "rank \(source) sent \(count) bytes, not 8")
    }
    var word: UInt64 = 0
    try withUnsafeMutableBytes(of: &word) { bytes in
      var request = shoal_mpi_request()
      try MPIFailure.check(
        shoal_mpi_receive_begin(bytes.baseAddress, count, source, tag, comm, &request), "receive a pulse")
      // It has arrived.
      var done: Int32 = 0
      while done == 0 { try MPIFailure.check(shoal_mpi_test(&request, &done), "receive a pulse") }
    }
    guard word != WatchMessage.goodbye else { return (Int(source), nil) }
    guard let pulse = Pulse(word: UInt64(littleEndian: word)) else {
      throw MPIFailure(operation: "watch", reason: "rank \(source) sent no pulse")
    }
    return (Int(source), pulse)
  }

  /// Gives the communicator back. Collective.
  func free() throws {
    var comm = comm
    try MPIFailure.check(shoal_mpi_comm_free(&comm), "free a communicator")
  }
}

/// A message on its way. Its word stays in place until it is gone.
final class WatchMessage {
  static let goodbye = UInt64.max
  private let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  private var request = shoal_mpi_request()

  init(_ pulse: Pulse?, to rank: Int, on channel: WatchChannel) throws {
    word.initialize(to: pulse?.word.littleEndian ?? Self.goodbye)
    try MPIFailure.check(
      shoal_mpi_send_begin(word, 8, Int32(rank), 0, channel.comm, &request), "send a pulse")
  }

  deinit { word.deallocate() }

  func isGone() throws -> Bool {
    var done: Int32 = 0
    try MPIFailure.check(shoal_mpi_test(&request, &done), "send a pulse")
    return done != 0
  }
}
