// Models for measurements: a few layers of a real model, or random weights of a known shape.

package import Tensors

extension ModelConfiguration {
  /// Qwen2-0.5B.
  package static let qwen2Half = ModelConfiguration(
    hiddenSize: 896, feedForwardSize: 4864, layerCount: 24, headCount: 14, keyValueHeadCount: 2, headWidth: 64,
    vocabularySize: 151_936, normEpsilon: 1e-6, ropeTheta: 1e6, tiesEmbeddings: true, maximumPositions: 131_072,
    beginOfSequence: nil, endOfSequence: [], storedType: .bfloat16)

  /// Qwen2-1.5B.
  package static let qwen2OneAndAHalf = ModelConfiguration(
    hiddenSize: 1536, feedForwardSize: 8960, layerCount: 28, headCount: 12, keyValueHeadCount: 2, headWidth: 128,
    vocabularySize: 151_936, normEpsilon: 1e-6, ropeTheta: 1e6, tiesEmbeddings: true, maximumPositions: 131_072,
    beginOfSequence: nil, endOfSequence: [], storedType: .bfloat16)
}

extension LanguageModel {
  /// The first `layers` layers and the first `vocabulary` tokens: fewer products, but on the same weights.
  package func part(layers: Int, vocabulary: Int) -> LanguageModel {
    var c = configuration
    c.layerCount = min(layers, c.layerCount)
    c.vocabularySize = min(vocabulary, c.vocabularySize)
    return LanguageModel(
      configuration: c, embedding: embedding.rows(0..<c.vocabularySize), layers: Array(self.layers[..<c.layerCount]),
      finalNorm: finalNorm, head: head.rows(0..<c.vocabularySize))
  }

  /// The same model in int8, in memory.
  /// - Returns: nil if a weight is not finite.
  /// - Precondition: its weights are floats.
  package func inInt8(_ pool: ThreadPool) -> LanguageModel? {
    var quantized: [WeightName: Weight] = [:]
    for names in Int8Form.groups(configuration) {
      let weights = names.map(weight)
      guard let factors = Int8Quantizer.factors(of: weights, pool) else { return nil }
      for (name, weight) in zip(names, weights) {
        quantized[name] = Int8Quantizer.quantized(weight, factors: factors, pool)
      }
    }
    return replacingMatrices { quantized[$0] }
  }

  /// Makes random bf16 weights, uniform in ±0.035 (the standard deviation of Qwen2's initialisation, 0.02).
  ///
  /// All matrices are parts of one pool as large as the largest matrix. This does not change the cost of a step, since
  /// no cache holds a matrix until its next use.
  package convenience init(randomWeightsOf c: ModelConfiguration) {
    let shapes = LinearModule.allCases.map { (rows: $0.outputWidth(c), columns: $0.inputWidth(c)) }
    let largest = max(c.vocabularySize * c.hiddenSize, shapes.map { $0.rows * $0.columns }.max() ?? 0)
    let pool = Self.randomPool(count: largest)
    var used = 0
    func matrix(_ rows: Int, _ columns: Int) -> Weight {
      let count = rows * columns
      if used + count > largest { used = 0 }
      defer { used += count }
      return Weight(
        base: UnsafeRawPointer(pool.base) + 2 * used, type: .bfloat16, rows: rows, columns: columns, owner: pool)
    }
    func ones(_ count: Int) -> Matrix {
      let norm = Matrix(rows: 1, columns: count)
      norm.base.update(repeating: 1, count: count)
      return norm
    }
    let embedding = matrix(c.vocabularySize, c.hiddenSize)
    let layers = (0..<c.layerCount).map { _ in
      DecoderLayer(
        inputNorm: ones(c.hiddenSize), postAttentionNorm: ones(c.hiddenSize),
        queryNorm: c.family.normsHeads ? ones(c.headWidth) : nil,
        keyNorm: c.family.normsHeads ? ones(c.headWidth) : nil,
        linears: Dictionary(
          uniqueKeysWithValues: LinearModule.allCases.map { ($0, matrix($0.outputWidth(c), $0.inputWidth(c))) }),
        biases: Dictionary(
          uniqueKeysWithValues: c.biases.map {
            ($0, Matrix(rows: 1, columns: $0.outputWidth(c)))
          }))
    }
    self.init(configuration: c, embedding: embedding, layers: layers, finalNorm: ones(c.hiddenSize), head: embedding)
  }

  /// `count` bf16 numbers: a million random numbers, repeated.
  private static func randomPool(count: Int) -> Storage {
    let random = CounterRandom(key: 1)
    let period = (0..<min(count, 1_000_003)).map { place in
      let value = Float((2 * random.uniform(stream: 0, index: UInt64(place)) - 1) * 0.035)
      return UInt16(truncatingIfNeeded: value.bitPattern >> 16)
    }
    let pool = Storage(count: (count + 1) / 2)
    pool.base.withMemoryRebound(to: UInt16.self, capacity: count) { numbers in
      for start in stride(from: 0, to: count, by: period.count) {
        (numbers + start).update(from: period, count: min(period.count, count - start))
      }
    }
    return pool
  }
}
