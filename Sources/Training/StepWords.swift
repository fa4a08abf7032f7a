// A step's numbers besides its gradient, as integers that add up over the world: one rank fills an example's words, all
// others leave them 0.

import Tensors

/// A view of the words of a step: for each example its sums under policy and reference, their tokens, its label, how far
/// it has got and what was wrong with its gradient; at the end whether it is time to save and how many ranks were asked
/// to stop.
struct StepWords {
  let words: UnsafeMutableBufferPointer<Int64>
  let objective: Objective
  private let spans: Int
  private let width: Int

  /// How many words a step has.
  static func count(examples: Int, _ objective: Objective) -> Int { width(objective) * examples + 2 }

  private static func width(_ objective: Objective) -> Int { 3 * objective.spans.count + 3 }

  /// - Parameter words: at least `count(examples:)`; the rest is not looked at.
  init(_ words: UnsafeMutableBufferPointer<Int64>, examples: Int, _ objective: Objective) {
    self.words = UnsafeMutableBufferPointer(rebasing: words[..<Self.count(examples: examples, objective)])
    self.objective = objective
    spans = objective.spans.count
    width = Self.width(objective)
  }

  var examples: Int { words.count / width }

  subscript(slot: Int) -> ExampleSums {
    get {
      let own = words[width * slot..<width * (slot + 1)]
      func numbers(_ part: Int) -> [Double] {
        (0..<spans).map { Double(bitPattern: UInt64(bitPattern: own[width * slot + part * spans + $0])) }
      }
      return ExampleSums(
        policy: numbers(0), reference: objective.usesReference ? numbers(1) : [],
        tokens: (0..<spans).map { Int(own[width * slot + 2 * spans + $0]) },
        isDesirable: own[width * slot + 3 * spans] != 0)
    }
    nonmutating set {
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

  var all: [ExampleSums] { (0..<examples).map { self[$0] } }

  /// What was wrong with the example's sums or the gradient of the micro-batch that it was in, and the rank that
  /// computed it; nil where nothing was.
  func fault(of slot: Int) -> (kind: FixedPoint.Fault, rank: Int)? {
    let word = UInt64(bitPattern: words[width * (slot + 1) - 1])
    return word == 0 ? nil : (FixedPoint.Fault(rawValue: word & 0xFF), Int(word >> 8))
  }

  /// How often the example's micro-batch has been through the model for this step.
  func progress(of slot: Int) -> Int { Int(words[width * (slot + 1) - 2]) }

  func advance(_ slot: Int) { words[width * (slot + 1) - 2] += 1 }

  /// That of all examples together.
  var progress: Int { (0..<examples).reduce(0) { $0 + progress(of: $1) } }

  /// Whether all have been through so many times.
  func areThrough(_ times: Int) -> Bool { (0..<examples).allSatisfy { progress(of: $0) >= times } }

  func note(_ fault: FixedPoint.Fault, rank: Int, for slot: Int) {
    words[width * (slot + 1) - 1] |= Int64(bitPattern: fault.rawValue) | Int64(rank) << 8
  }

  /// Ranks that were asked to stop.
  var stops: Int64 {
    get { words[words.count - 1] }
    nonmutating set { words[words.count - 1] = newValue }
  }

  /// Whether rank 0 finds that it is time to save.
  var isSaveDue: Bool {
    get { words[words.count - 2] != 0 }
    nonmutating set { words[words.count - 2] = newValue ? 1 : 0 }
  }
}
