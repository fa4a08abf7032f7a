// The heartbeat of a working rank, and the counter with which its main thread records progress.

import Synchronization
package import Tensors

/// A rank's progress and current phase, in one word.
package struct Heartbeat: Equatable, Sendable {
  /// Grows with every kernel and every operation of the world.
  package var moves: UInt64
  package var phase: Phase

  package init(moves: UInt64, phase: Phase) { (self.moves, self.phase) = (moves, phase) }

  /// Decodes a message; nil for other bytes.
  init?(bytes: [UInt8]) {
    guard bytes.count == 8 else { return nil }
    let word = UInt64(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    guard let phase = Phase(rawValue: Int(word & 0xFF)) else { return nil }
    self.init(moves: word >> 8, phase: phase)
  }

  var bytes: [UInt8] { withUnsafeBytes(of: (moves << 8 | UInt64(phase.rawValue)).littleEndian) { Array($0) } }

  /// Whether the rank must make progress. A waiting rank makes progress only when others do. Reading and saving are
  /// left out too: a file server that hangs or a paused terminal may resume after minutes, and a restarted job would
  /// find them unchanged.
  package var isWorking: Bool { phase != .idle && phase != .input && phase != .saving }
}

/// Written by the main thread, read by the watchdog's thread.
final class ProgressCounter: Sendable {
  private let operations = Atomic<UInt64>(0)
  private let isWaiting = Atomic(false)
  private let clock = Mutex<PhaseClock?>(nil)

  /// Takes the phases of a rank's work from `clock` from now on.
  func follow(_ clock: PhaseClock) { self.clock.withLock { $0 = clock } }

  /// Records an operation of the world, and for its duration whether the rank waits for others.
  func during<Result>(_ waiting: Waiting, _ operation: () throws -> Result) rethrows -> Result {
    isWaiting.store(waiting == .forOthers, ordering: .relaxed)
    defer {
      isWaiting.store(false, ordering: .relaxed)
      operations.add(1, ordering: .relaxed)
    }
    return try operation()
  }

  var heartbeat: Heartbeat {
    let (moves, phase) = clock.withLock { $0?.progress } ?? (0, .input)
    return Heartbeat(
      moves: moves &+ operations.load(ordering: .relaxed), phase: isWaiting.load(ordering: .relaxed) ? .idle : phase)
  }
}
