// Chooses a token from logits: transformers' logits processors in their order, then a draw from the seed.

import Tensors

/// Sampling settings, with the meanings and the defaults of transformers' GenerationConfig.
package struct SamplingRules: Sendable, Equatable {
  /// Whether to sample. Otherwise the most probable token is chosen (greedy).
  package var draws = false
  /// Above 0. Has an effect only when sampling, like the next two.
  package var temperature = 1.0
  /// The number of most probable tokens to keep, plus those as probable as the last; 0 keeps all.
  package var topK = 50
  /// Keep the most probable tokens until their probabilities add up to this share, 0 to 1.
  package var topP = 1.0
  /// For tokens in the prompt or the answer: divides logits above 0 and multiplies logits below 0.
  package var repetitionPenalty = 1.0

  package init() {}

  /// Always the most probable token.
  package static let greedy = SamplingRules()
}

/// Chooses the tokens of one answer.
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
  /// Tokens that get the repetition penalty.
  private var seen: Set<Int32>
  private var drawCount: UInt64 = 0

  /// - Parameters:
  ///   - stream: selects one of several answers under the same seed.
  ///   - prompt: its tokens count as seen.
  package init(_ rules: SamplingRules, seed: UInt64, stream: UInt64 = 0, prompt: [Int32]) {
    self.rules = rules
    random = CounterRandom(key: seed)
    self.stream = stream
    seen = Set(prompt)
  }

  /// Chooses the token after logits [V]; nil when a logit is NaN or the largest is infinite.
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

  /// The index of the largest score (the first of equal scores); nil when a score is NaN or the largest is infinite.
  private static func largest(_ scores: [Float]) -> Int32? {
    var (place, top) = (0, -Float.infinity)
    for (i, score) in scores.enumerated() {
      if score.isNaN { return nil }
      if score > top { (place, top) = (i, score) }
    }
    return top.isFinite ? Int32(place) : nil
  }

  /// Draws by the cumulative probabilities in order of ids.
  private func draw(_ candidates: [Candidate]) -> Int32? {
    guard let last = candidates.last else { return nil }
    var rest = random.uniform(stream: stream, index: drawCount) * candidates.reduce(0) { $0 + $1.probability }
    for candidate in candidates {
      rest -= candidate.probability
      if rest < 0 { return candidate.id }
    }
    // Only rounding leads here.
    return last.id
  }

  // MARK: - Warpers

  /// The possible next tokens after logits [V], by id, with probabilities that add up to 1. Applies repetition penalty,
  /// temperature, top-k and top-p, in this order. Empty when a logit is NaN or the largest is infinite.
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
    var candidates = kept.map { Candidate(id: $0.id, probability: Double.exp(Double($0.score) - top)) }
    let sum = candidates.reduce(0) { $0 + $1.probability }
    for i in candidates.indices { candidates[i].probability /= sum }
    return candidates
  }

  /// The k-th largest score: the root of a min-heap of the k largest scores so far.
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

  /// Removes the least probable tokens as long as they make up no more than 1 − share. Of equally probable tokens the
  /// last goes first. At least one token is kept.
  private static func keepTop(_ share: Double, of kept: inout [(id: Int32, score: Float)]) {
    // Probabilities in fp32 like torch, their sum in fp64: round shares then meet their limit exactly.
    let limit = Float(1 - share)
    let probabilities = probabilities(kept).map { Float($0.probability) }
    // These tokens together cannot reach the limit, so they need no sorting. They are most of a vocabulary.
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
