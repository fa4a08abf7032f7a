// The parallel loop: a fixed number of threads share the pieces of a problem. The pieces never depend on the threads.

internal import Dispatch
import Synchronization

/// Threads that share loops, each with its own scratch memory.
package final class ThreadPool: Sendable {
  package let threads: Int
  /// Counts the time of the thread that calls `run`.
  package let clock = PhaseClock()
  private let scratch: [Storage]
  private let isRunning = Atomic(false)
  /// Set during a call of `withSpinningThreads`.
  private let spinning = Mutex<SpinningThreads?>(nil)

  /// - Parameter scratchCount: numbers of scratch per thread, if that is more than products need.
  package init(threads: Int, scratchCount: Int = 0) {
    precondition(threads >= 1, "\(threads) threads")
    self.threads = threads
    scratch = (0..<threads).map { _ in Storage(count: Self.countOfEach(scratchCount)) }
  }

  /// Numbers of scratch that every thread has at least.
  package static let scratchCount = max(PackedBlock.count, 1 << 16)

  private static func countOfEach(_ scratchCount: Int) -> Int { max(Self.scratchCount, scratchCount) }

  /// Bytes of all threads' scratch, for planned threads and for this pool.
  package static func byteCount(threads: Int, scratchCount: Int) -> Int { 4 * threads * countOfEach(scratchCount) }
  package var byteCount: Int { scratch.reduce(0) { $0 + 4 * $1.count } }

  /// Runs `body` once for each piece 0..<count, on any free thread.
  /// - Precondition: one call at a time, since the scratch belongs to the current loop.
  package func run(_ count: Int, _ body: @Sendable (_ piece: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void) {
    precondition(!isRunning.exchange(true, ordering: .acquiring), "two loops at once on the same pool")
    defer { isRunning.store(false, ordering: .releasing) }
    guard threads > 1, count > 1 else {
      for piece in 0..<count { body(piece, scratch[0].base) }
      return
    }
    if let spinning = spinning.withLock({ $0 }) { return spinning.run(count, scratch: scratch[0], body) }
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: min(threads, count)) { thread in
      while true {
        let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard piece < count else { return }
        body(piece, scratch[thread].base)
      }
    }
  }

  /// Runs `body`; its loops start at once, because the threads spin between them. For loops of about ten microseconds.
  package func withSpinningThreads<Result>(_ body: () throws -> Result) rethrows -> Result {
    let spinning = SpinningThreads(scratch: Array(scratch.dropFirst()))
    self.spinning.withLock {
      precondition($0 == nil, "spinning threads within spinning threads")
      $0 = spinning
    }
    defer {
      self.spinning.withLock { $0 = nil }
      spinning.dismiss()
    }
    return try body()
  }

  /// Runs `body` over blocks of at most `block` of the numbers 0..<count.
  package func blocks(of count: Int, by block: Int, _ body: @Sendable (Range<Int>) -> Void) {
    run((count + block - 1) / block) { piece, _ in body(piece * block..<min(count, (piece + 1) * block)) }
  }
}
