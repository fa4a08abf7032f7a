// From logits to a token: transformers' logits processors in their order, and a draw that is a function of the seed.

import Glibc
import Tensors

/// How tokens are chosen, with the meanings and the defaults of transformers' GenerationConfig.
package struct SamplingRules: Sendable, Equatable {
  /// Whether a token is drawn; otherwise the most probable one is taken.
  package var draws = false
  /// Above 0. Without effect, like the next two, where nothing is drawn.
  package var temperature = 1.0
  /// How many of the most probable tokens take part (with those as probable as the last); 0 for all.
  package var topK = 50
  /// The share of probability, 0 to 1, that the tokens taking part must make up, the most probable first.
  package var topP = 1.0
  /// What logits of tokens that occur in prompt or answer are divided by (above 0) or multiplied by (below 0).
  package var repetitionPenalty = 1.0

  package init() {}

  /// The most probable token, always.
  package static let greedy = SamplingRules()
}

/// Chooses token after token of one answer.
package struct Sampler: Sendable {
  /// A token that may be drawn.
  package struct Candidate: Sendable, Equatable {
    package var id: Int32
    package var probability: Double

    package init(id: Int32, probability: Double) { (self.id, self.probability) = (id, probability) }
  }

  private let rules: SamplingRules
  private let random: CounterRandom
  private let stream: UInt64
  /// Tokens that the repetition penalty is for.
  private var seen: Set<Int32>
  private var drawCount: UInt64 = 0

  /// - Parameters:
  ///   - stream: which of several answers under one seed.
  ///   - prompt: counts as seen.
  package init(_ rules: SamplingRules, seed: UInt64, stream: UInt64 = 0, prompt: [Int32]) {
    self.rules = rules
    random = CounterRandom(key: seed)
    self.stream = stream
    seen = Set(prompt)
  }

  /// The token after logits [V]; nil when these are not numbers.
  package mutating func next(_ logits: [Float]) -> Int32? {
    let token: Int32?
    if rules.draws {
      token = draw(candidates(logits))
      drawCount += 1
    } else {
      token = Self.largest(penalized(logits))
    }
    if let token { seen.insert(token) }
    return token
  }

  private func penalized(_ logits: [Float]) -> [Float] {
    guard rules.repetitionPenalty != 1 else { return logits }
    var scores = logits
    let penalty = Float(rules.repetitionPenalty)
    for id in seen where scores.indices.contains(Int(id)) {
      let score = scores[Int(id)]
      scores[Int(id)] = score < 0 ? score * penalty : score / penalty
    }
    return scores
  }

  /// The place of the largest number, of several the first; nil when a number is none or the largest is infinite.
  private static func largest(_ scores: [Float]) -> Int32? {
    var (place, top) = (0, -Float.infinity)
    for (i, score) in scores.enumerated() {
      if score.isNaN { return nil }
      if score > top { (place, top) = (i, score) }
    }
    return top.isFinite ? Int32(place) : nil
  }

  /// Draws by the cumulated probabilities in order of ids.
  private func draw(_ candidates: [Candidate]) -> Int32? {
    guard let last = candidates.last else { return nil }
    var rest = random.uniform(stream: stream, index: drawCount) * candidates.reduce(0) { $0 + $1.probability }
    for candidate in candidates {
      rest -= candidate.probability
      if rest < 0 { return candidate.id }
    }
    // Rounding alone leads here.
    return last.id
  }

  // MARK: - Warpers

  /// The tokens that may come after logits [V], by id, with probabilities that add up to 1: what repetition penalty,
  /// temperature, top-k and top-p leave, applied in this order. Empty when the logits are not numbers.
  package func candidates(_ logits: [Float]) -> [Candidate] {
    let scores = penalized(logits)
    guard Self.largest(scores) != nil else { return [] }
    let temperature = Float(rules.temperature)
    var kept: [(id: Int32, score: Float)] = scores.enumerated().map { (Int32($0), $1 / temperature) }
    if rules.topK > 0, rules.topK < kept.count {
      let least = Self.leastOfLargest(rules.topK, of: kept)
      kept.removeAll { $0.score < least }
    }
    if rules.topP < 1 { Self.keepTop(rules.topP, of: &kept) }
    return Self.probabilities(kept)
  }

  private static func probabilities(_ kept: [(id: Int32, score: Float)]) -> [Candidate] {
    let top = Double(kept.reduce(-Float.infinity) { max($0, $1.score) })
    var candidates = kept.map { Candidate(id: $0.id, probability: exp(Double($0.score) - top)) }
    let sum = candidates.reduce(0) { $0 + $1.probability }
    for i in candidates.indices { candidates[i].probability /= sum }
    return candidates
  }

  /// The k-th largest score: the root of a heap of the largest ones so far, the smallest of them on top.
  private static func leastOfLargest(_ k: Int, of kept: [(id: Int32, score: Float)]) -> Float {
    var heap = kept[..<k].map(\.score).sorted()
    for (_, score) in kept[k...] where score > heap[0] {
      var place = 0
      while true {
        var child = 2 * place + 1
        guard child < k else { break }
        if child + 1 < k, heap[child + 1] < heap[child] { child += 1 }
        guard heap[child] < score else { break }
        heap[place] = heap[child]
        place = child
      }
      heap[place] = score
    }
    return heap[0]
  }

  /// Removes the least probable tokens, of equal ones the last, as long as they make up no more than 1 − share; one is
  /// always left.
  private static func keepTop(_ share: Double, of kept: inout [(id: Int32, score: Float)]) {
    // In fp32 as torch has it, cumulated in fp64: round shares meet their limit exactly.
    let limit = Float(1 - share)
    let probabilities = probabilities(kept).map { Float($0.probability) }
    // Those that cannot make up the limit together need no order among them: most of a vocabulary.
    let negligible = limit / Float(2 * kept.count)
    var removed = probabilities.map { $0 < negligible }
    var sum = zip(probabilities, removed).reduce(0.0) { $1.1 ? $0 + Double($1.0) : $0 }
    let rest = kept.indices.filter { !removed[$0] }
      .sorted { (kept[$0].score, kept[$1].id) < (kept[$1].score, kept[$0].id) }
    for place in rest.dropLast() {
      sum += Double(probabilities[place])
      guard Float(sum) <= limit else { break }
      removed[place] = true
    }
    kept = zip(kept, removed).filter { !$1 }.map(\.0)
  }
}
