// The exact sums of a step under way. They are integers, which add up in any order, so neither ranks nor interruptions
// change the result.

import Collectives
import Tensors

/// The gradient of a step in fixed point, and what is known of each of its examples.
///
/// The rank that computes a micro-batch fills in its examples; all other ranks leave them 0, and `reduce` brings them
/// together. For each example: its log-prob sums under policy and reference, their tokens, its label, how many passes it
/// is through, and what was wrong with its gradient. At the end: whether it is time to save, and how many ranks were
/// asked to stop.
final class StepSums {
  private let objective: Objective
  private let parameterCount: Int
  /// The most micro-batches of any step: bounds each one's gradient so that their sum fits.
  private let mostMicroBatches: Int
  /// The gradient, then the examples.
  private let storage: UnsafeMutableBufferPointer<Int64>
  /// The step under way, between `begin` and `end`.
  private var step: Int?
  private(set) var exampleCount = 0

  init(_ objective: Objective, parameterCount: Int, mostExamples: Int, mostMicroBatches: Int) {
    (self.objective, self.parameterCount, self.mostMicroBatches) = (objective, parameterCount, mostMicroBatches)
    let width = 3 * objective.spans.count + 3
    storage = .allocate(capacity: parameterCount + width * mostExamples + 2)
  }

  deinit { storage.deallocate() }

  /// Begins a step, or goes on with the one that was cut.
  func begin(_ step: Int, examples: Int) {
    if self.step != step { storage.update(repeating: 0) }
    (self.step, exampleCount) = (step, examples)
  }

  /// The next step begins at 0.
  func end() { step = nil }

  // MARK: A step that is cut

  /// What rank 0 saves of a step that was cut.
  var saved: UnsafeBufferPointer<Int64> { UnsafeBufferPointer(rebasing: storage[..<wordCount]) }

  /// Takes up a step that was cut in another process.
  /// - Parameter read: fills rank 0's sums; nil on other ranks.
  func resume(_ step: Int, examples: Int, read: ((UnsafeMutableBufferPointer<Int64>) throws -> Void)?) rethrows {
    storage.update(repeating: 0)
    (self.step, exampleCount) = (step, examples)
    try read?(UnsafeMutableBufferPointer(rebasing: storage[..<wordCount]))
  }

  /// What has been added up stays on rank 0 alone, so that it counts once when more is added.
  func leaveToRankZero(in world: any Communicator) {
    if world.rank != 0 { storage.update(repeating: 0) }
  }

  // MARK: Micro-batches

  /// Takes the log-prob sums of a micro-batch, which is through one pass more.
  func take(_ examples: [ExampleSums], of item: WorkItem, rank: Int) {
    for (slot, example) in zip(item.slots, examples) {
      self[slot] = example
      if !example.isFinite { note(.nonFinite, rank: rank, for: slot) }
    }
    advance(item)
  }

  /// A micro-batch is through one pass more.
  func advance(_ item: WorkItem) {
    for slot in item.slots { words[width * (slot + 1) - 2] += 1 }
  }

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

  /// Adds up over the world, and tells all ranks who was asked to stop and whether it is time to save. Collective.
  /// - Parameter gradient: whether the gradient is added up too, or the examples alone.
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

  /// How many passes an example is through.
  func passes(of slot: Int) -> Int { Int(words[width * (slot + 1) - 2]) }

  /// Those of all examples together.
  var passes: Int { (0..<exampleCount).reduce(0) { $0 + passes(of: $1) } }

  func areThrough(passes: Int) -> Bool { (0..<exampleCount).allSatisfy { self.passes(of: $0) >= passes } }

  /// What was wrong with the example's sums or with the gradient of its micro-batch, and the rank that computed it.
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
