// Scenarios: sums, broadcasts, gathers, agreements, checks.

import Collectives
import Glibc
import Tensors

/// Tests every operation, with sizes around the size of one chunk.
func exchange(_ world: any Communicator) throws {
  let size = Int64(world.size)
  try expect(
    (0..<world.ranksOnNode).contains(world.rankOnNode) && world.ranksOnNode <= world.size,
    "rank on node \(world.rankOnNode) of \(world.ranksOnNode)")

  let chunk = (1 << 23) / 8
  for count in [0, 1, 7, chunk - 1, chunk, 2 * chunk + 3] {
    // Different on every rank, more than 53 bits, both signs.
    func entry(_ index: Int) -> Int64 { (Int64(1) << 56 &+ Int64(index)) * (index % 3 == 0 ? -1 : 1) }
    var values = (0..<count).map { entry($0) &+ Int64(world.rank) }
    try world.sum(&values)
    for (index, value) in values.enumerated() {
      let expected = entry(index) &* size &+ size * (size - 1) / 2
      try expect(value == expected, "sum of \(count): entry \(index) is \(value), not \(expected)")
    }
  }

  for (root, count) in zip(0..<world.size, [(2 << 23) + 5, 0, 1, (1 << 23) + 1]) {
    // 251 is prime, so no two chunks are equal.
    let bytes = (0..<count).map { UInt8(($0 + root) % 251) }
    let got = try world.broadcast(world.rank == root ? bytes : [], from: root)
    try expect(got == bytes, "\(count) bytes from rank \(root) arrive changed")
  }

  // Rank 0 contributes no bytes.
  func part(_ rank: Int) -> [UInt8] { Array(repeating: UInt8(rank), count: rank * 100_000) }
  let parts = try world.gather(part(world.rank))
  try expect(parts == (0..<world.size).map(part), "gather")

  let flags = try world.agree(on: UInt64(1) << (world.rank == world.size - 1 ? 63 : world.rank))
  let expected = (0..<world.size - 1).reduce(UInt64(1) << 63) { $0 | UInt64(1) << $1 }
  try expect(flags == expected, "agree: \(flags), not \(expected)")
  try world.agreeOnFailure(local: nil)
}

func alike(_ world: any Communicator) throws {
  try WorldCheck.requireAlike(["binary": "ab12", "empty": ""], in: world)
  try WorldCheck.requireCorrectSums(in: world)
}

/// The last rank has another BLAS core and lacks a fact.
func unlike(_ world: any Communicator) throws {
  var facts = ["binary": "ab12", "blas": "SkylakeX", "level": "4"]
  if world.rank == world.size - 1 { facts = ["binary": "ab12", "blas": "Haswell"] }
  var found: (any Error)?
  do { try WorldCheck.requireAlike(facts, in: world) } catch { found = error }
  try world.agreeOnFailure(local: found)
  throw Finding(description: "unlike ranks were accepted")
}

/// Every rank except rank 0 reports an error; the lowest of these ranks is named.
func mistake(_ world: any Communicator) throws {
  let own =
    world.rank == 0 && world.size > 1 ? nil : PretendedMistake(description: "mistake of \(world.rank)")
  try world.agreeOnFailure(local: own)
  throw Finding(description: "nobody noticed")
}

/// One rank fails while the others wait for it.
func abortFromLastRank(_ world: any Communicator) throws {
  if world.rank == world.size - 1 { world.abort(code: 1) }
  try world.barrier()
  sleep(60)
}
