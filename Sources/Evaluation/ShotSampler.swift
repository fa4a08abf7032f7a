// Draws the examples of prompts as lm-eval's samplers do.

import Checkpoints

/// The examples that prompts are made of. One stream of random numbers serves all documents in their order.
struct ShotSampler: Sendable {
  private let kind: ShotSettings.Sampler
  private let pool: [JSONValue]
  private var random: PythonRandom

  init(_ kind: ShotSettings.Sampler, _ pool: [JSONValue], seed: Int) {
    (self.kind, self.pool, random) = (kind, pool, PythonRandom(seed: seed))
  }

  /// The examples for the next document.
  /// - Parameter document: is not among them; nil: it may be.
  /// - Throws: `DocumentProblem` if there are not enough.
  mutating func sample(_ count: Int, excluding document: JSONValue?) throws(DocumentProblem) -> [JSONValue] {
    if count == 0 { return [] }
    if kind == .first {
      var examples: [JSONValue] = []
      for candidate in pool where examples.count < count && candidate != document { examples.append(candidate) }
      try require(count, of: examples.count)
      return examples
    }
    let wanted = count + (document == nil ? 0 : 1)
    try require(wanted, of: pool.count)
    let drawn = random.sample(wanted, of: pool.count).map { pool[$0] }
    guard let document else { return drawn }
    let others = drawn.filter { $0 != document }
    if others.count >= count { return Array(others.prefix(count)) }
    // The pool has the document more than once.
    let rest = pool.filter { $0 != document }
    try require(count, of: rest.count)
    return random.sample(count, of: rest.count).map { rest[$0] }
  }

  private func require(_ count: Int, of available: Int) throws(DocumentProblem) {
    guard available >= count else {
      throw DocumentProblem(
        "the prompt needs \(count) documents to draw examples from, there are \(available): "
          + "ask for fewer examples, or give more with --fewshot")
    }
  }
}
