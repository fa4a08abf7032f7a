// The weights of an encoder, under the names that transformers gives them; mapped, and only of the layers in use.

import Checkpoints
import Tensors

/// A linear layer: y = x Wᵀ + b.
struct EncoderLinear: Sendable {
  let weight: Weight
  /// [1, out].
  let bias: Matrix?
}

/// A LayerNorm's scale and shift, each [1, D].
struct EncoderNorm: Sendable {
  let weight, bias: Matrix
}

/// The weights of one layer.
struct EncoderLayerWeights: Sendable {
  /// RoBERTa: queries, keys and values. DeBERTa: one product, in which the three of a head follow each other.
  let projections: [EncoderLinear]
  /// DeBERTa: what relative positions become before they meet queries and keys.
  let positionKeys, positionQueries: EncoderLinear?
  let attentionOutput: EncoderLinear
  let attentionNorm: EncoderNorm
  let intermediate, output: EncoderLinear
  let outputNorm: EncoderNorm
}

/// The weights of an encoder up to a layer.
struct EncoderWeights: Sendable {
  let words: Weight
  let positions: Weight?
  /// The first row of the token types, which all tokens have [1, D].
  let tokenType: Matrix?
  let norm: EncoderNorm
  /// DeBERTa: a row for each distance [2 · reach, D].
  let relative: Weight?
  let layers: [EncoderLayerWeights]

  /// - Parameter layers: how many layers are used.
  /// - Throws: `FileError`; `ContentError` with every tensor that is missing or has another shape.
  init(directory: String, _ shape: EncoderConfiguration, layers count: Int) throws {
    let tensors = try StoredTensors(directory: directory)
    var reader = EncoderWeightReader(tensors, shape)
    words = reader.table("embeddings.word_embeddings", shape.vocabulary)
    positions = shape.hasPositionEmbeddings ? reader.table("embeddings.position_embeddings", shape.positions) : nil
    tokenType =
      shape.tokenTypes > 0
      ? reader.table("embeddings.token_type_embeddings", shape.tokenTypes).rows(0..<1).widened() : nil
    norm = reader.norm("embeddings.LayerNorm")
    relative = shape.relativeReach.flatMap { reach in
      count > 0 && shape.scoreParts > 1 ? reader.table("encoder.rel_embeddings", 2 * reach) : nil
    }
    self.layers = (0..<count).map { reader.layer($0) }
    guard reader.problems.isEmpty else { throw ContentError(tensors.path, reader.problems) }
  }
}

/// Finds tensors and collects what is wrong with them. Zeros replace a wrong tensor, so that reading goes on.
private struct EncoderWeightReader {
  private(set) var problems: [ContentError.Problem] = []
  private let tensors: StoredTensors
  private let shape: EncoderConfiguration
  /// Before every name, if the file is of a model with a head.
  private let prefix: String

  init(_ tensors: StoredTensors, _ shape: EncoderConfiguration) {
    (self.tensors, self.shape) = (tensors, shape)
    let family = "\(shape.family.rawValue)."
    prefix = tensors["\(family)embeddings.word_embeddings.weight"] == nil ? "" : family
  }

  mutating func layer(_ index: Int) -> EncoderLayerWeights {
    let (hidden, place) = (shape.hidden, "encoder.layer.\(index).")
    let own = "\(place)attention.self."
    var (positionKeys, positionQueries): (EncoderLinear?, EncoderLinear?)
    var projections: [EncoderLinear] = []
    switch shape.family {
    case .roberta:
      for name in ["query", "key", "value"] { projections.append(linear("\(own)\(name)", hidden, hidden)) }
    case .deberta:
      let bias = interleaved(queries: vector("\(own)q_bias", hidden), values: vector("\(own)v_bias", hidden))
      projections = [EncoderLinear(weight: matrix("\(own)in_proj.weight", 3 * hidden, hidden), bias: bias)]
      if shape.relativeReach != nil {
        if shape.queriesSeePositions {
          positionKeys = EncoderLinear(weight: matrix("\(own)pos_proj.weight", hidden, hidden), bias: nil)
        }
        if shape.keysSeePositions { positionQueries = linear("\(own)pos_q_proj", hidden, hidden) }
      }
    }
    return EncoderLayerWeights(
      projections: projections, positionKeys: positionKeys, positionQueries: positionQueries,
      attentionOutput: linear("\(place)attention.output.dense", hidden, hidden),
      attentionNorm: norm("\(place)attention.output.LayerNorm"),
      intermediate: linear("\(place)intermediate.dense", shape.feedForward, hidden),
      output: linear("\(place)output.dense", hidden, shape.feedForward),
      outputNorm: norm("\(place)output.LayerNorm"))
  }

  /// The bias of a product whose columns are the query, the key and the value of each head after the other.
  private func interleaved(queries: Matrix, values: Matrix) -> Matrix {
    let bias = Matrix(rows: 1, columns: 3 * shape.hidden)
    let width = shape.headWidth
    for column in 0..<shape.hidden {
      let place = column / width * 3 * width + column % width
      bias[0, place] = queries[0, column]
      bias[0, place + 2 * width] = values[0, column]
    }
    return bias
  }

  mutating func table(_ name: String, _ rows: Int) -> Weight { matrix("\(name).weight", rows, shape.hidden) }

  mutating func norm(_ name: String) -> EncoderNorm {
    EncoderNorm(weight: vector("\(name).weight", shape.hidden), bias: vector("\(name).bias", shape.hidden))
  }

  private mutating func linear(_ name: String, _ rows: Int, _ columns: Int) -> EncoderLinear {
    EncoderLinear(weight: matrix("\(name).weight", rows, columns), bias: vector("\(name).bias", rows))
  }

  private mutating func vector(_ name: String, _ count: Int) -> Matrix {
    weight(name, [count], rows: 1, columns: count).widened()
  }

  private mutating func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Weight {
    weight(name, [rows, columns], rows: rows, columns: columns)
  }

  private mutating func weight(_ name: String, _ expected: [Int], rows: Int, columns: Int) -> Weight {
    let name = prefix + name
    if let tensor = tensors[name] {
      if tensor.shape == expected, [.float32, .bfloat16, .float16].contains(tensor.type),
        let base = tensor.bytes.baseAddress
      {
        return Self.weight(base, tensor, rows: rows, columns: columns)
      }
      problems.append(
        .init(
          name, "is \(tensor.type.rawValue) of shape \(tensor.shape)",
          expected: "F32, BF16 or F16 of shape \(expected) (config.json)"))
    } else {
      problems.append(.init(name, "is missing", expected: "shape \(expected)"))
    }
    // Its rows are not used: reading ends with the problems.
    return Weight(Matrix(rows: 1, columns: columns))
  }

  /// Files before torch 1.6 do not align their tensors: those are copied.
  private static func weight(
    _ base: UnsafeRawPointer, _ tensor: StoredTensors.Tensor, rows: Int, columns: Int
  ) -> Weight {
    if Int(bitPattern: base).isMultiple(of: tensor.type.bytes) {
      return Weight(base: base, type: tensor.type, rows: rows, columns: columns, owner: tensor.owner)
    }
    let copy = Storage(count: (tensor.bytes.count + 3) / 4)
    UnsafeMutableRawPointer(copy.base).copyMemory(from: base, byteCount: tensor.bytes.count)
    return Weight(base: copy.base, type: tensor.type, rows: rows, columns: columns, owner: copy)
  }
}
