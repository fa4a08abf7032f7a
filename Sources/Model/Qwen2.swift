// The frozen model. Its weights stay in the mapped files.

import Glibc
package import Tensors

/// The weights of one decoder layer.
package struct DecoderLayer: Sendable {
  package let inputNorm: Matrix
  package let postAttentionNorm: Matrix
  package let linears: [LinearModule: Weight]
  /// Biases [1, out] of q, k and v.
  package let biases: [LinearModule: Matrix]

  package func weight(_ module: LinearModule) -> Weight { linears[module]! }
}

/// A Qwen2 model with frozen weights. All threads share it and, through the page cache, all ranks.
package final class Qwen2: Sendable {
  package let configuration: ModelConfiguration
  /// [V, D].
  package let embedding: Weight
  package let layers: [DecoderLayer]
  /// [1, D].
  package let finalNorm: Matrix
  /// [V, D]; the embedding when the head is tied.
  package let head: Weight

  package init(
    configuration: ModelConfiguration, embedding: Weight, layers: [DecoderLayer], finalNorm: Matrix, head: Weight
  ) {
    (self.configuration, self.embedding, self.layers, self.finalNorm) = (configuration, embedding, layers, finalNorm)
    self.head = head
  }

  /// Bytes of the matrices that all ranks of a node share.
  package var sharedByteCount: Int {
    let linears = layers.flatMap { $0.linears.values }.reduce(0) { $0 + $1.byteCount }
    return embedding.byteCount + linears + (configuration.tiesEmbeddings ? 0 : head.byteCount)
  }
}

/// The rotary table [positions, E]: E/2 cosines, then E/2 sines of position · θ^(−2i/E).
///
/// Every operation is in fp32, as in transformers: at late positions its rounding is part of the model.
package func rotaryTable(positions: Int, width: Int, theta: Double) -> Matrix {
  let table = Matrix(rows: positions, columns: width)
  let half = width / 2
  let frequencies = (0..<half).map { 1 / Float(pow(theta, Double(Float(2 * $0) / Float(width)))) }
  for position in 0..<positions {
    let row = table.pointer(row: position)
    for (i, frequency) in frequencies.enumerated() {
      let angle = Double(Float(position) * frequency)
      row[i] = Float(cos(angle))
      row[half + i] = Float(sin(angle))
    }
  }
  return table
}
