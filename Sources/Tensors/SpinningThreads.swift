// Threads that spin between loops. Waking a thread takes as long as reading a megabyte of weights, which is too long
// for the hundred short loops of a token.

internal import CShoal
internal import Dispatch
import Glibc
import Synchronization

/// Helper threads of one calling thread, for many short loops. Between loops a helper spins for about ten microseconds,
/// then yields its processor, then sleeps for short times.
final class SpinningThreads: @unchecked Sendable {
  private typealias Body = (_ piece: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void

  /// Odd while a loop runs; `body` and `count` belong to that loop.
  private let loop = Atomic(0)
  /// The number of helpers in the loop. The calling thread changes `body` and `count` only when it is zero.
  private let helping = Atomic(0)
  private let isDismissed = Atomic(false)
  private let next = Atomic(0)
  private var count = 0
  private var body: Body?

  /// - Parameter scratch: one storage per helper.
  init(scratch: [Storage]) { for storage in scratch { DispatchQueue.global().async { [self] in help(storage) } } }

  /// Stops the helpers. No loop may follow.
  func dismiss() { isDismissed.store(true, ordering: .releasing) }

  /// Runs `body` for each piece, with the helpers that are awake.
  func run(_ count: Int, scratch: Storage, _ body: (_ piece: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void) {
    withoutActuallyEscaping(body) { body in
      (self.count, self.body) = (count, body)
      next.store(0, ordering: .relaxed)
      loop.add(1, ordering: .sequentiallyConsistent)
      work(body, scratch)
      loop.add(1, ordering: .sequentiallyConsistent)
      // A helper that has not joined by now sees that the loop has ended.
      var turns = 0
      while helping.load(ordering: .sequentiallyConsistent) > 0 { Self.wait(&turns) }
      self.body = nil
    }
  }

  private func work(_ body: Body, _ scratch: Storage) {
    while true {
      let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard piece < count else { return }
      body(piece, scratch.base)
    }
  }

  private func help(_ scratch: Storage) {
    var (seen, turns) = (0, 0)
    while !isDismissed.load(ordering: .acquiring) {
      let current = loop.load(ordering: .acquiring)
      guard current % 2 == 1, current != seen else {
        Self.wait(&turns)
        continue
      }
      helping.add(1, ordering: .sequentiallyConsistent)
      if loop.load(ordering: .sequentiallyConsistent) == current, let body { work(body, scratch) }
      helping.subtract(1, ordering: .sequentiallyConsistent)
      (seen, turns) = (current, 0)
    }
  }

  /// Waits one turn; later turns take longer.
  private static func wait(_ turns: inout Int) {
    turns += 1
    switch turns {
    case ..<4000: shoal_processor_pause()
    case ..<8000: sched_yield()
    default: usleep(200)
    }
  }
}
