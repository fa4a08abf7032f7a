// Scenarios: work queues.

import Collectives
import Glibc
import Tensors

private func bytes(_ number: Int) -> [UInt8] { withUnsafeBytes(of: Int64(number)) { Array($0) } }

private func numbers(_ bytes: [UInt8]) -> [Int] {
  bytes.withUnsafeBytes { raw in
    stride(from: 0, to: raw.count, by: 8).map { Int(raw.loadUnaligned(fromByteOffset: $0, as: Int64.self)) }
  }
}

/// Every item is taken exactly once, by a free rank; items of all sizes arrive whole.
func dispatching(_ world: any Communicator) throws {
  let random = CounterRandom(key: UInt64(world.rank))
  let queue = try world.workQueue()
  let count = 150
  // Some items are larger than MPI's eager messages.
  func item(_ index: Int) -> [UInt8] {
    bytes(index) + [UInt8](repeating: UInt8(index), count: index % 10 == 0 ? 300_000 : index)
  }
  if world.rank == 0 { try queue.openPhase((0..<count).map { WorkPiece(bytes: item($0)) }) }
  var taken: [Int] = []
  while let got = try queue.next(cutting: false) {
    let index = numbers(Array(got.prefix(8)))[0]
    try expect(got == item(index), "item \(index) arrived changed")
    taken.append(index)
    // 0 to 10 ms of work.
    usleep(UInt32(random.uniform(stream: 1, index: UInt64(taken.count)) * 10_000))
  }
  let all = try world.gather(taken.flatMap(bytes)).map(numbers)
  try expect(all.flatMap { $0 }.sorted() == Array(0..<count), "items taken: \(all)")
  for (rank, taken) in all.enumerated() {
    try expect(taken.count >= count / world.size / 4, "rank \(rank) took \(taken.count) of \(count)")
    try expect(taken == taken.sorted(), "rank \(rank) was dispatched out of order: \(taken)")
  }
  try queue.close()
}

/// A thousand short phases, some of them empty, in direct succession: no rank gets an item of another phase, and no
/// item is lost.
func phases(_ world: any Communicator) throws {
  let plan = CounterRandom(key: 3)
  let random = CounterRandom(key: 100 + UInt64(world.rank))
  let queue = try world.workQueue()
  var taken: [Int] = []
  let phaseCount = 1000
  func itemCount(_ phase: Int) -> Int { Int(plan.uniform(stream: 0, index: UInt64(phase)) * 6) }
  for phase in 0..<phaseCount {
    if world.rank == 0 {
      try queue.openPhase((0..<itemCount(phase)).map { WorkPiece(bytes: bytes(phase * 10 + $0)) })
    }
    while let got = try queue.next(cutting: false) {
      let number = numbers(got)[0]
      try expect(number / 10 == phase, "rank \(world.rank) got item \(number) in phase \(phase)")
      taken.append(number)
      if random.uniform(stream: 0, index: UInt64(taken.count)) < 0.2 { usleep(500) }
    }
  }
  let all = try world.gather(taken.flatMap(bytes)).flatMap(numbers).sorted()
  let expected = (0..<phaseCount).flatMap { phase in (0..<itemCount(phase)).map { phase * 10 + $0 } }
  try expect(all == expected, "\(all.count) items taken, \(expected.count) offered")
  try queue.close()
}

/// Results reach rank 0 while their phase is open, each once, also from ranks that work on several items at once; a phase
/// is complete when all have come.
func results(_ world: any Communicator) throws {
  let random = CounterRandom(key: 100 + UInt64(world.rank))
  let queue = try world.workQueue()
  for phase in 0..<30 {
    let count = phase * 3
    if world.rank == 0 {
      try queue.openPhase((0..<count).map { WorkPiece(bytes: bytes(phase * 100 + $0)) }, inTurn: phase % 2 == 0)
    }
    var waiting: [Int] = []
    var found: [Int] = []
    func submit() throws {
      let number = waiting.removeFirst()
      // Some results are larger than MPI's eager messages.
      try queue.submit(bytes(number * 2) + [UInt8](repeating: 1, count: number % 7 == 0 ? 200_000 : 0))
      for result in try queue.results().new { found.append(numbers(Array(result.prefix(8)))[0]) }
    }
    while let item = try queue.next(cutting: false) {
      waiting.append(numbers(item)[0])
      if random.uniform(stream: 0, index: UInt64(phase * 100 + waiting.count)) < 0.5 { usleep(300) }
      if waiting.count > 3 { try submit() }
    }
    while !waiting.isEmpty { try submit() }
    while true {
      let (new, isComplete) = try queue.results()
      for result in new { found.append(numbers(Array(result.prefix(8)))[0]) }
      if isComplete { break }
      usleep(200)
    }
    let expected = world.rank == 0 ? (0..<count).map { 2 * (phase * 100 + $0) } : []
    try expect(found.sorted() == expected, "phase \(phase): \(found.count) results of \(expected.count)")
  }
  try queue.close()
}

/// Ranks that wait for rank 0, in a barrier and for a phase, leave their cores free; so does the service thread.
func idle(_ world: any Communicator) throws {
  let queue = try world.workQueue()
  try world.barrier()
  let before = CollectivesProbe.processorSeconds()
  if world.rank == 0 { usleep(1_000_000) }
  try world.barrier()
  if world.rank == 0 {
    usleep(1_000_000)
    try queue.openPhase([])
  }
  let item = try queue.next(cutting: false)
  try expect(item == nil, "an empty phase has an item")
  let used = CollectivesProbe.processorSeconds() - before
  // Spinning would use 2 s. Sleeping 1 ms between polls uses about 2 %.
  try expect(used < 0.3, "rank \(world.rank) used \(used) s of processor time in 2 s of waiting")
  try queue.close()
}

/// Rank 0 gives up while the others wait for a phase that never opens: they get an error.
func closeEarly(_ world: any Communicator) throws {
  let queue = try world.workQueue()
  if world.rank == 0 {
    usleep(200_000)
  } else {
    do {
      _ = try queue.next(cutting: false)
      throw Finding(description: "rank \(world.rank) was dispatched an item of no phase")
    } catch is MPIFailure {}
  }
  try queue.close()
}
