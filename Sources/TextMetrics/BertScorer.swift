// BERTScore (Zhang et al. 2020) as bert_score 0.3.13 computes it for one pair of texts at a time.

import Checkpoints
import Tensors

/// What is done about the narrow range of similarities.
package enum BertRescaling: Sendable, Equatable {
  case none
  /// By the numbers that bert_score has for the model's layer and English.
  case builtIn
  case baseline(BertBaseline)
}

/// Compares predictions with references by the hidden rows of an encoder.
///
/// bert_score pads the texts of a batch, and similarities below 0 then lose to the padding's 0; here no text is padded,
/// so that a pair's score is that of a batch of one.
package final class BertScorer {
  package let encoder: Encoder
  package let tokenizer: EncoderTokenizer
  /// Nil without rescaling.
  package let baseline: BertBaseline?
  /// Whether tokens weigh by how few references have them.
  package let idf: Bool
  private let pool: ThreadPool

  /// Tokens that go through the encoder at once, unless one pair has more.
  private static let rowsAtOnce = 2048

  /// - Parameters:
  ///   - layer: how many layers are computed; by default as many as bert_score takes for the model that the directory
  ///     is named for.
  ///   - maximumTokens: cuts texts shorter than the model's own limit does.
  /// - Throws: `FileError`, `ContentError`, `TokenizerError`; `TextMetricError` if the layer, or the baseline, is neither
  ///   given nor known.
  package init(
    directory: String, layer: Int? = nil, idf: Bool = false, rescale: BertRescaling = .none, threads: Int,
    maximumTokens: Int? = nil
  ) throws {
    let shape = try EncoderConfiguration(directory: directory)
    let model = BertModel.model(in: directory)
    let layer = try Self.layer(layer, model, shape, directory)
    baseline = try Self.baseline(rescale, model, layer, directory)
    self.idf = idf
    tokenizer = try EncoderTokenizer(directory: directory, shape, maximumTokens: maximumTokens)
    encoder = try Encoder(directory: directory, shape, layers: layer)
    pool = ThreadPool(threads: threads, scratchCount: encoder.scratchCount(tokens: tokenizer.maximumTokens))
  }

  private static func layer(
    _ layer: Int?, _ model: BertModel?, _ shape: EncoderConfiguration, _ directory: String
  ) throws -> Int {
    guard let layer = layer ?? model?.layer else {
      throw TextMetricError(
        "\(directory): bert_score has no layer for a model of that name; choose one from 0 to \(shape.layers). It has "
          + "layers for \(BertModel.all.map(\.name).joined(separator: ", "))")
    }
    guard 0...shape.layers ~= layer else {
      throw TextMetricError("\(directory): layer \(layer) of a model with \(shape.layers) layers")
    }
    return layer
  }

  private static func baseline(
    _ rescale: BertRescaling, _ model: BertModel?, _ layer: Int, _ directory: String
  ) throws -> BertBaseline? {
    switch rescale {
    case .none: return nil
    case .baseline(let baseline): return baseline
    case .builtIn:
      guard let model, model.layer == layer, let baseline = model.baseline else {
        throw TextMetricError(
          "\(directory): no built-in baseline for layer \(layer) of this model; give its three numbers (the row "
            + "\(layer) of bert_score's file for the model)")
      }
      return baseline
    }
  }

  /// The score of each prediction against its reference.
  /// - Throws: `TextMetricError` if there are not as many of both.
  package func scores(predictions: [String], references: [String]) throws -> [BertScore] {
    try scores(predictions: predictions, references: references.map { [$0] })
  }

  /// The score of each prediction: the largest precision, recall and F-measure of those against its references.
  /// - Parameters:
  ///   - weighing: the references that say how much a token weighs, if those of `predictions` are a part of them.
  ///   - progress: is called with the number of finished pairs of a prediction and a reference.
  /// - Throws: `TextMetricError` if there are not as many lists as predictions, or one is empty.
  package func scores(
    predictions: [String], references: [[String]], weighing: [[String]]? = nil,
    progress: (_ done: Int) -> Void = { _ in }
  ) throws -> [BertScore] {
    guard predictions.count == references.count else {
      throw TextMetricError("\(predictions.count) predictions for \(references.count) references")
    }
    if let place = references.firstIndex(where: \.isEmpty) {
      throw TextMetricError("prediction \(place + 1) has no reference")
    }
    var texts = TokenizedTexts(tokenizer)
    var pairs: [TextPair] = []
    for (place, (prediction, references)) in zip(predictions, references).enumerated() {
      let own = texts.number(of: prediction)
      pairs += references.map { TextPair(place: place, prediction: own, reference: texts.number(of: $0)) }
    }
    let weighing = (weighing ?? references).joined().map { texts.number(of: $0) }
    let weights = weights(references: weighing.map { texts.ids[$0] })
    var scores = [BertScore?](repeating: nil, count: predictions.count)
    var next = 0
    while next < pairs.count {
      let group = group(pairs, from: next, texts.ids)
      let embedded = embed(group.texts.map { texts.ids[$0] }, weights)
      let place = Dictionary(uniqueKeysWithValues: group.texts.enumerated().map { ($1, $0) })
      for pair in pairs[next..<group.end] {
        guard let own = place[pair.prediction], let other = place[pair.reference] else { continue }
        let score = BertScore(prediction: embedded[own], reference: embedded[other], pool)
        scores[pair.place] = scores[pair.place]?.maximum(score) ?? score
      }
      next = group.end
      progress(next)
    }
    return scores.compactMap { $0 }.map { score in baseline.map { score.rescaled(by: $0) } ?? score }
  }

  /// The pairs from `start` on whose texts go through the encoder together: each text once.
  private func group(
    _ pairs: [TextPair], from start: Int, _ ids: [[Int32]]
  ) -> (texts: [Int], end: Int) {
    var (texts, seen, rows, end) = ([Int](), Set<Int>(), 0, start)
    while end < pairs.count {
      let fresh = Set([pairs[end].prediction, pairs[end].reference]).subtracting(seen).sorted()
      let more = fresh.reduce(0) { $0 + ids[$1].count }
      guard end == start || rows + more <= Self.rowsAtOnce else { break }
      rows += more
      texts += fresh
      seen.formUnion(fresh)
      end += 1
    }
    return (texts, end)
  }

  // MARK: Weights

  /// The weight of each token; one that no reference has gets `unseen`.
  private struct TokenWeights {
    var byToken: [Int32: Double] = [:]
    var unseen: Double

    subscript(id: Int32) -> Double { byToken[id] ?? unseen }
  }

  /// 1, or log((references + 1) / (references with the token + 1)); 0 for the tokens around a text.
  private func weights(references: [[Int32]]) -> TokenWeights {
    guard idf else { return TokenWeights(byToken: [tokenizer.first: 0, tokenizer.last: 0], unseen: 1) }
    var counts: [Int32: Int] = [:]
    for reference in references {
      for id in Set(reference) { counts[id, default: 0] += 1 }
    }
    let all = Double(references.count + 1)
    return TokenWeights(byToken: counts.mapValues { Double.log(all / Double($0 + 1)) }, unseen: Double.log(all))
  }

  // MARK: Encoding

  private func embed(_ texts: [[Int32]], _ weights: TokenWeights) -> [EmbeddedText] {
    let hidden = encoder.forward(texts, pool)
    EncoderKernels.normalize(hidden, pool)
    var start = 0
    return texts.map { text in
      defer { start += text.count }
      return EmbeddedText(rows: hidden.rows(start..<start + text.count), weights: text.map { weights[$0] })
    }
  }

  // MARK: Forecast

  /// Floating-point operations and bytes for texts of the given lengths in tokens, each encoded once.
  package func cost(tokens: [Int]) -> (flops: Double, bytes: Int) {
    let cost = EncoderCost(encoder.shape, layers: encoder.layers)
    let longest = min(tokens.max() ?? 0, tokenizer.maximumTokens)
    let shared = max(1, Self.rowsAtOnce / max(longest, 1))
    let flops = tokens.reduce(0) { $0 + cost.flops(tokens: min($1, tokenizer.maximumTokens), shared: shared) }
    let rows = max(Self.rowsAtOnce, 2 * longest)
    let bytes = cost.activationBytes(rows: rows, longest: longest) + pool.byteCount
    return (flops, bytes)
  }
}

/// A prediction's place, and the numbers of its text and of a reference's.
private struct TextPair {
  let place, prediction, reference: Int
}

/// Texts by number, each tokenized once.
private struct TokenizedTexts {
  private(set) var ids: [[Int32]] = []
  private var numbers: [[UInt8]: Int] = [:]
  private let tokenizer: EncoderTokenizer

  init(_ tokenizer: EncoderTokenizer) { self.tokenizer = tokenizer }

  mutating func number(of text: String) -> Int {
    let key = Array(text.utf8)
    if let number = numbers[key] { return number }
    ids.append(tokenizer.encode(text))
    numbers[key] = ids.count - 1
    return ids.count - 1
  }
}
