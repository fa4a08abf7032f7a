// Rank 0 reads arenas of which every rank holds its own part: one piece at a time, so that no rank holds all.

import Checkpoints
import Collectives
import Model
import Tensors

/// Reads and fills divided arenas. Collective.
struct ShardReader {
  let world: any Communicator
  let shard: ParameterShard
  /// Of this rank's part.
  let arenas: [Storage]

  private static let pieceCount = 1 << 21

  /// Runs `body` on rank 0, which may read; the others answer it until it is done, whether it fails or not.
  func lead(_ body: () throws -> Void) throws {
    let isServed = shard.isDivided && world.size > 1
    guard world.rank == 0 else { return isServed ? try serve() : () }
    guard isServed else { return try body() }
    let outcome = Result { try body() }
    _ = try world.share(Request?(Request(arena: -1, start: 0, end: 0)))
    try outcome.get()
  }

  private struct Request: Codable, Sendable {
    let arena, start, end: Int
  }

  private func serve() throws {
    while true {
      let request = try world.share(Request?.none)
      guard arenas.indices.contains(request.arena) else { return }
      let buffer = Storage(count: request.end - request.start)
      try exchange(request, buffer)
    }
  }

  private func exchange(_ request: Request, _ buffer: Storage) throws {
    guard let owner = shard.ranges.firstIndex(where: { $0.contains(request.start) }) else { throw DamagedMessage() }
    if owner == world.rank {
      let own = arenas[request.arena].base + (request.start - shard.range.lowerBound)
      buffer.base.update(from: own, count: request.end - request.start)
    }
    try world.broadcast(
      UnsafeMutableRawBufferPointer(start: buffer.base, count: 4 * (request.end - request.start)), from: owner)
  }

  /// Calls `body` with the numbers of a range of an arena, piece by piece. On rank 0, inside `lead`.
  func read(_ range: Range<Int>, of arena: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    for piece in pieces(range) {
      if shard.range.contains(piece.lowerBound) {
        let own = arenas[arena].base + (piece.lowerBound - shard.range.lowerBound)
        try body(UnsafeRawBufferPointer(start: own, count: 4 * piece.count))
        continue
      }
      let request = Request(arena: arena, start: piece.lowerBound, end: piece.upperBound)
      let buffer = Storage(count: piece.count)
      _ = try world.share(Request?(request))
      try exchange(request, buffer)
      try body(UnsafeRawBufferPointer(start: buffer.base, count: 4 * piece.count))
    }
  }

  /// The pieces of a range, each of one rank.
  private func pieces(_ range: Range<Int>) -> [Range<Int>] {
    shard.ranges.map { $0.clamped(to: range) }.filter { !$0.isEmpty }.flatMap { own in
      stride(from: own.lowerBound, to: own.upperBound, by: Self.pieceCount).map {
        $0..<min($0 + Self.pieceCount, own.upperBound)
      }
    }
  }

  /// The tensors of an arena under the parameters' names, read as they are written.
  func tensors(of arena: Int, _ layout: ParameterLayout, prefix: String) -> [OutgoingTensor] {
    layout.parameters.map { parameter in
      OutgoingTensor(name: prefix + parameter.name, type: .float32, shape: parameter.shape) { emit in
        try read(parameter.range, of: arena, emit)
      }
    }
  }

  /// Fills an arena on all ranks from what rank 0 has. Collective.
  /// - Parameter source: copies a piece of the whole arena, on rank 0.
  func fill(_ arena: Int, count: Int, _ source: ((Range<Int>, UnsafeMutablePointer<Float>) throws -> Void)?) throws {
    let buffer = Storage(count: min(Self.pieceCount, count))
    for piece in pieces(0..<count) {
      try source?(piece, buffer.base)
      try world.broadcast(UnsafeMutableRawBufferPointer(start: buffer.base, count: 4 * piece.count), from: 0)
      guard shard.range.contains(piece.lowerBound) else { continue }
      (arenas[arena].base + (piece.lowerBound - shard.range.lowerBound)).update(from: buffer.base, count: piece.count)
    }
  }
}
