// Measures how a rank spends its time: each kernel says which phase of the step it belongs to.

import Glibc
import Synchronization

/// The phases of a step.
package enum Phase: Int, CaseIterable, Sendable {
  /// Products with frozen weights, including widening and each linear's second LoRA product.
  case linears
  case attention
  /// Logits, their softmax and the gradient of the hidden rows.
  case head
  /// Norms, rotary positions, SwiGLU, dropout and copied rows.
  case elementwise
  /// The remaining products with A and B.
  case lora
  /// Gradients to integers, their sum over ranks, and back; comparisons of the ranks' adapters.
  case reduction
  case optimizer
  /// Waiting for work, or for other ranks.
  case idle
  /// Writing checkpoints and reading them back.
  case saving
  /// Everything else: reading and laying out examples, reports.
  case input

  package var name: String { "\(self)" }
}

/// Seconds by phase. Only the thread that starts a rank's kernels uses it; any thread may read `progress`.
package final class PhaseClock: @unchecked Sendable {
  private var nanoseconds = [UInt64](repeating: 0, count: Phase.allCases.count)
  private var phase = Phase.input
  private var since = now()
  /// The number of phase entries, in the upper 56 bits, and the current phase.
  private let entries = Atomic(UInt64(Phase.input.rawValue))

  package init() {}

  /// Counts the time towards `phase` until another phase is entered.
  package func enter(_ phase: Phase) {
    // Only this thread writes `entries`.
    let count = entries.load(ordering: .relaxed) >> 8
    entries.store((count &+ 1) << 8 | UInt64(phase.rawValue), ordering: .relaxed)
    guard phase != self.phase else { return }
    settle()
    self.phase = phase
  }

  /// The number of phase entries (at least one per kernel), and this rank's current phase. Any thread may read it.
  package var progress: (entries: UInt64, phase: Phase) {
    let word = entries.load(ordering: .relaxed)
    return (word >> 8, Phase(rawValue: Int(word & 0xFF)) ?? .input)
  }

  /// Seconds of each phase since the clock was made.
  package var seconds: PhaseSeconds {
    settle()
    return PhaseSeconds(values: nanoseconds.map { Double($0) * 1e-9 })
  }

  private func settle() {
    let time = Self.now()
    nanoseconds[phase.rawValue] += time - since
    since = time
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// Seconds of each phase.
package struct PhaseSeconds: Sendable, Equatable, Codable {
  /// In the order of `Phase.allCases`.
  package private(set) var values: [Double]

  package init(values: [Double] = Array(repeating: 0, count: Phase.allCases.count)) {
    precondition(values.count == Phase.allCases.count, "\(values.count) values for \(Phase.allCases.count) phases")
    self.values = values
  }

  package subscript(phase: Phase) -> Double {
    get { values[phase.rawValue] }
    set { values[phase.rawValue] = newValue }
  }

  package var total: Double { values.reduce(0, +) }

  package static func - (a: PhaseSeconds, b: PhaseSeconds) -> PhaseSeconds {
    PhaseSeconds(values: zip(a.values, b.values).map { $0 - $1 })
  }
}
