// The world of ranks that mpirun or srun started.

import CShoal
import Glibc
import Synchronization
package import Tensors

/// The ranks of an MPI job. One per process: it starts MPI, and `finish` ends it.
package final class MPICommunicator: Communicator {
  package let rank: Int
  package let size: Int
  package let rankOnNode: Int
  package let ranksOnNode: Int
  package let nodeLeader: Int
  private let comm: shoal_mpi_comm
  /// Of the nodes' leaders; nothing on other ranks.
  private let leaders: shoal_mpi_comm
  /// By rank: its node's number, which is its leader's among `leaders`.
  private let nodes: [Int]
  private let backgroundError = BackgroundError()
  private let counter = ProgressCounter()
  private let watchdog = Mutex<Watchdog?>(nil)

  /// Starts MPI and joins the world.
  /// - Throws: `MPIFailure`.
  package init() throws {
    try MPIFailure.check(shoal_mpi_start(), "start")
    comm = try Self.duplicateWorld()
    var rank: Int32 = 0
    var size: Int32 = 0
    try MPIFailure.check(shoal_mpi_comm_rank(comm, &rank, &size), "rank")
    self.rank = Int(rank)
    self.size = Int(size)
    var (leader, leaders) = (Int32(0), shoal_mpi_comm())
    try MPIFailure.check(shoal_mpi_comm_node_rank(comm, &rank, &size, &leader), "rank on the node")
    rankOnNode = Int(rank)
    ranksOnNode = Int(size)
    nodeLeader = Int(leader)
    var all = [Int32](repeating: 0, count: self.size)
    try MPIFailure.check(shoal_mpi_comm_leaders(comm, leader, &all, &leaders), "ranks of nodes")
    self.leaders = leaders
    let first = Set(all).sorted()
    nodes = all.map { first.firstIndex(of: $0) ?? 0 }
  }

  private static func duplicateWorld() throws -> shoal_mpi_comm {
    var comm = shoal_mpi_comm()
    try MPIFailure.check(shoal_mpi_world_duplicate(&comm), "duplicate the world")
    return comm
  }

  package func barrier() throws { try complete("barrier") { shoal_mpi_barrier_begin(comm, &$0) } }

  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    // Large broadcasts need many polls, so sleep until all ranks are here.
    let isLarge = bytes.count > 1 << 16
    if isLarge { try barrier() }
    // Sent in chunks: MPI counts in 32 bits.
    for start in stride(from: 0, to: bytes.count, by: Self.chunkBytes) {
      let chunk = bytes[start..<min(start + Self.chunkBytes, bytes.count)]
      let part = UnsafeMutableRawBufferPointer(rebasing: chunk)
      try complete("broadcast", waiting: isLarge ? .everyoneIsHere : .forOthers) {
        shoal_mpi_broadcast_begin(part.baseAddress, Int32(part.count), Int32(root), comm, &$0)
      }
    }
  }

  package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var mine = Int64(bytes.count)
    var counts = [Int64](repeating: 0, count: size)
    try counts.withUnsafeMutableBufferPointer { all in
      try withUnsafeMutablePointer(to: &mine) { mine in
        try complete("gather") { shoal_mpi_gather_counts_begin(mine, all.baseAddress, comm, &$0) }
      }
    }
    let total = counts.reduce(0, +)
    guard total <= Int32.max else {
      throw MPIFailure(operation: "gather", reason: "\(total) bytes are more than one message holds")
    }
    var offsets = [Int32]()
    var end: Int32 = 0
    for count in counts {
      offsets.append(end)
      end += Int32(count)
    }
    let shortCounts = counts.map { Int32($0) }
    var all = [UInt8](repeating: 0, count: Int(total))
    try all.withUnsafeMutableBytes { all in
      try bytes.withUnsafeBytes { bytes in
        try shortCounts.withUnsafeBufferPointer { counts in
          try offsets.withUnsafeBufferPointer { offsets in
            try complete("gather") {
              shoal_mpi_gather_bytes_begin(
                bytes.baseAddress, Int32(bytes.count), all.baseAddress, counts.baseAddress,
                offsets.baseAddress, comm, &$0)
            }
          }
        }
      }
    }
    return (0..<size).map { Array(all[Int(offsets[$0])..<Int(offsets[$0]) + Int(counts[$0])]) }
  }

  package func sum(_ values: UnsafeMutableBufferPointer<Int64>) throws {
    // Ranks arrive seconds apart: sleeps until all are here, so that the chunks do not have to wait.
    try barrier()
    try forEachChunk(of: values) { part in
      try complete("sum", waiting: .everyoneIsHere) {
        shoal_mpi_sum_begin(part.baseAddress, Int32(part.count), comm, &$0)
      }
    }
  }

  package func sum(_ parts: [SumPart], of holders: SumHolders) throws {
    try barrier()
    if holders == .ranks || rankOnNode == 0 {
      let comm = holders == .ranks ? comm : leaders
      for part in parts {
        let root = holders == .ranks ? part.root : nodes[part.root]
        let isRoot = root == (holders == .ranks ? rank : nodes[rank])
        try forEachChunk(of: part.values) { chunk in
          try complete("sum to a rank", waiting: .everyoneIsHere) {
            shoal_mpi_sum_to_begin(chunk.baseAddress, Int32(chunk.count), Int32(root), isRoot ? 1 : 0, comm, &$0)
          }
        }
      }
    }
    // The leaders' sums are those of their nodes.
    if holders == .nodes { try barrier() }
  }

  private func forEachChunk(
    of values: UnsafeMutableBufferPointer<Int64>, _ body: (UnsafeMutableBufferPointer<Int64>) throws -> Void
  ) throws {
    let chunkCount = Self.chunkBytes / 8
    for start in stride(from: 0, to: values.count, by: chunkCount) {
      try body(UnsafeMutableBufferPointer(rebasing: values[start..<min(start + chunkCount, values.count)]))
    }
  }

  package func agree(on flags: UInt64) throws -> UInt64 {
    var flags = flags
    try withUnsafeMutablePointer(to: &flags) { flags in
      try complete("agree") { shoal_mpi_or_begin(flags, 1, comm, &$0) }
    }
    return flags
  }

  package func workQueue() throws -> any WorkQueue {
    if size == 1 { return SoloWorkQueue() }
    // MPI_Comm_dup waits inside MPI, where waiting spins; the barrier sleeps.
    try barrier()
    let channel = MessageChannel<WorkQueueTag>(comm: try Self.duplicateWorld(), backgroundError: backgroundError)
    return rank == 0
      ? try CoordinatorQueue(channel: channel, workers: size - 1) : WorkerQueue(channel: channel)
  }

  package func watch(tell: @escaping @Sendable (any Error) -> Void) throws {
    let own = getenv(WatchdogLimit.variable).map { String(cString: $0) } ?? ""
    let limit = try WatchdogLimit(String(decoding: try broadcast(Array(own.utf8), from: 0), as: UTF8.self))
    guard size > 1, limit.seconds > 0 else { return }
    let places = try gather(Array("\(Self.hostName), process \(getpid())".utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    try barrier()
    let watchdog = try Watchdog(
      comm: try Self.duplicateWorld(), rank: rank, places: places, limit: limit, counter: counter,
      backgroundError: backgroundError, tell: tell
    ) { lost in Self.abort(code: 1) { tell(lost) } }
    self.watchdog.withLock { $0 = watchdog }
  }

  package func follow(_ clock: PhaseClock, itemSeconds: Double) {
    counter.follow(clock)
    watchdog.withLock { $0?.expect(itemSeconds: itemSeconds) }
  }

  package func finish() throws {
    let watchdog = watchdog.withLock { $0 }
    try watchdog?.close()
    // The watchdog has ended, so a timeout detects a rank that is stopped from here on.
    let timeout = try watchdog.map { [rank] watchdog in
      try Timeout(seconds: watchdog.limit.seconds + 2 * Double(rank)) {
        Self.abort(code: 1) { watchdog.tell(WorldTimeout.end(seconds: watchdog.limit.seconds)) }
      }
    }
    try barrier()
    // A rank that is stopped after the others have left MPI would keep mpirun waiting, unnoticed.
    if let watchdog { shoal_process_end_within(watchdog.limit.seconds + 5) }
    try MPIFailure.check(shoal_mpi_finish(), "finish")
    timeout?.cancel()
  }

  package func abort(code: Int32) { Self.abort(code: code) {} }

  /// Ends the job. If MPI or the reader of `tell`'s message hangs, this process exits alone, and mpirun ends the
  /// others.
  private static func abort(code: Int32, _ tell: () -> Void) -> Never {
    _ = try? Timeout(seconds: 5) { _exit(code) }
    tell()
    _ = shoal_mpi_abort(code)
    _exit(code)
  }

  private static var hostName: String {
    var characters = [CChar](repeating: 0, count: 256)
    let status = gethostname(&characters, characters.count - 1)
    return status == 0
      ? String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "unknown host"
  }

  private static let chunkBytes = 1 << 23

  /// Begins an operation and sleeps until it is done.
  private func complete(
    _ operation: String, waiting: Waiting = .forOthers, _ begin: (inout shoal_mpi_request) -> Int32
  ) throws {
    try counter.during(waiting) {
      var request = shoal_mpi_request()
      try MPIFailure.check(begin(&request), operation)
      try wait(for: &request, operation, waiting, backgroundError)
    }
  }
}
