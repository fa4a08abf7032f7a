// The exact sums of the current step. Integer sums do not depend on the order of their terms, so neither ranks nor
// interruptions change the result.

import Collectives
import Tensors

/// The gradient of a step in fixed point, and one record per example.
///
/// The rank that computes a micro-batch fills in its examples. They are 0 on all other ranks, and `reduce` adds them
/// up. For each example: its log-prob sums under policy and reference, their tokens, its label, the number of passes it
/// has completed, and the fault of its gradient. At the end: whether it is time to save, and how many ranks were asked
/// to stop.
final class StepSums {
  private let objective: Objective
  private let parameterCount: Int
  /// The maximum number of micro-batches in a step. It bounds each one's gradient so that their sum does not overflow.
  private let mostMicroBatches: Int
  /// The gradient, then the examples.
  private let storage: UnsafeMutableBufferPointer<Int64>
  /// The current step, between `begin` and `end`.
  private var step: Int?
  private(set) var exampleCount = 0

  init(_ objective: Objective, parameterCount: Int, mostExamples: Int, mostMicroBatches: Int) {
    (self.objective, self.parameterCount, self.mostMicroBatches) = (objective, parameterCount, mostMicroBatches)
    let width = 3 * objective.spans.count + 3
    storage = .allocate(capacity: parameterCount + width * mostExamples + 2)
  }

  deinit { storage.deallocate() }

  /// Begins a step, or continues one that was interrupted.
  func begin(_ step: Int, examples: Int) {
    if self.step != step { storage.update(repeating: 0) }
    (self.step, exampleCount) = (step, examples)
  }

  /// Ends the step; the next step begins at 0.
  func end() { step = nil }

  // MARK: A step that is cut

  /// Rank 0's sums of an interrupted step, to be saved.
  var saved: UnsafeBufferPointer<Int64> { UnsafeBufferPointer(rebasing: storage[..<wordCount]) }

  /// Continues a step that was interrupted in another process.
  /// - Parameter read: fills rank 0's sums; nil on other ranks.
  func resume(_ step: Int, examples: Int, read: ((UnsafeMutableBufferPointer<Int64>) throws -> Void)?) rethrows {
    storage.update(repeating: 0)
    (self.step, exampleCount) = (step, examples)
    try read?(UnsafeMutableBufferPointer(rebasing: storage[..<wordCount]))
  }

  /// Clears the reduced sums on all ranks except 0, so that they count once when more is added.
  func leaveToRankZero(in world: any Communicator) { if world.rank != 0 { storage.update(repeating: 0) } }

  // MARK: Micro-batches

  /// Stores the log-prob sums of a micro-batch and counts one more pass of it.
  func take(_ examples: [ExampleSums], of item: WorkItem, rank: Int) {
    for (slot, example) in zip(item.slots, examples) {
      self[slot] = example
      if !example.isFinite { note(.nonFinite, rank: rank, for: slot) }
    }
    advance(item)
  }

  /// Counts one more pass of a micro-batch.
  func advance(_ item: WorkItem) { for slot in item.slots { words[width * (slot + 1) - 2] += 1 } }

  /// Rounds a micro-batch's gradient once and adds it.
  func add(_ gradient: Storage, of item: WorkItem, rank: Int, _ pool: ThreadPool) {
    guard let base = storage.baseAddress else { return }
    let fault = FixedPoint.add(gradient.base, to: base, count: parameterCount, terms: mostMicroBatches, pool)
    guard !fault.isEmpty else { return }
    for slot in item.slots { note(fault, rank: rank, for: slot) }
  }

  private func note(_ fault: FixedPoint.Fault, rank: Int, for slot: Int) {
    words[width * (slot + 1) - 1] |= Int64(bitPattern: fault.rawValue) | Int64(rank) << 8
  }

  /// Sums over all ranks. All ranks then know how many were asked to stop and whether it is time to save. Collective.
  /// - Parameter gradient: whether to sum the gradient too, or only the examples.
  func reduce(gradient: Bool, by dispatcher: Dispatcher, _ clock: PhaseClock) throws {
    words[width * exampleCount] = dispatcher.isSaveDue() ? 1 : 0
    words[width * exampleCount + 1] = dispatcher.isAskedToStop ? 1 : 0
    let start = gradient ? 0 : parameterCount
    try dispatcher.sum(UnsafeMutableBufferPointer(rebasing: storage[start..<wordCount]), clock)
  }

  // MARK: The result, the same on every rank

  /// The gradient as floats.
  func write(to gradient: Storage, _ pool: ThreadPool) {
    guard let base = storage.baseAddress else { return }
    FixedPoint.toFloat(base, gradient.base, count: parameterCount, pool)
  }

  var examples: [ExampleSums] { (0..<exampleCount).map { self[$0] } }

  /// The number of passes that an example has completed.
  func passes(of slot: Int) -> Int { Int(words[width * (slot + 1) - 2]) }

  /// The number of passes of all examples together.
  var passes: Int { (0..<exampleCount).reduce(0) { $0 + passes(of: $1) } }

  func areThrough(passes: Int) -> Bool { (0..<exampleCount).allSatisfy { self.passes(of: $0) >= passes } }

  /// The fault of the example's sums or of its micro-batch's gradient, and the rank that computed it.
  func fault(of slot: Int) -> (kind: FixedPoint.Fault, rank: Int)? {
    let word = UInt64(bitPattern: words[width * (slot + 1) - 1])
    return word == 0 ? nil : (FixedPoint.Fault(rawValue: word & 0xFF), Int(word >> 8))
  }

  var isSaveDue: Bool { words[width * exampleCount] != 0 }
  var isStopping: Bool { words[width * exampleCount + 1] != 0 }

  // MARK: Layout

  private var spans: Int { objective.spans.count }
  private var width: Int { 3 * spans + 3 }
  private var wordCount: Int { parameterCount + width * exampleCount + 2 }
  private var words: UnsafeMutableBufferPointer<Int64> {
    UnsafeMutableBufferPointer(rebasing: storage[parameterCount...])
  }

  private subscript(slot: Int) -> ExampleSums {
    get {
      let start = width * slot
      func numbers(_ part: Int) -> [Double] {
        (0..<spans).map { Double(bitPattern: UInt64(bitPattern: words[start + part * spans + $0])) }
      }
      return ExampleSums(
        policy: numbers(0), reference: objective.usesReference ? numbers(1) : [],
        tokens: (0..<spans).map { Int(words[start + 2 * spans + $0]) }, isDesirable: words[start + 3 * spans] != 0)
    }
    set {
      let start = width * slot
      for span in 0..<spans {
        words[start + span] = Int64(bitPattern: newValue.policy[span].bitPattern)
        if !newValue.reference.isEmpty {
          words[start + spans + span] = Int64(bitPattern: newValue.reference[span].bitPattern)
        }
        words[start + 2 * spans + span] = Int64(newValue.tokens[span])
      }
      words[start + 3 * spans] = newValue.isDesirable ? 1 : 0
    }
  }
}
