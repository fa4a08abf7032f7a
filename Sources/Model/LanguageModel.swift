// The weights of a model. Frozen ones stay in the mapped files.

package import Tensors

/// The weights of one decoder layer.
package struct DecoderLayer: Sendable {
  /// [1, D].
  package let inputNorm: Matrix
  package let postAttentionNorm: Matrix
  /// The norms of every head of q and k [1, E], in families that have them.
  package let queryNorm: Matrix?
  package let keyNorm: Matrix?
  package fileprivate(set) var linears: [LinearModule: Weight]
  /// Biases [1, out].
  package let biases: [LinearModule: Matrix]

  package init(
    inputNorm: Matrix, postAttentionNorm: Matrix, queryNorm: Matrix? = nil, keyNorm: Matrix? = nil,
    linears: [LinearModule: Weight], biases: [LinearModule: Matrix]
  ) {
    (self.inputNorm, self.postAttentionNorm) = (inputNorm, postAttentionNorm)
    (self.queryNorm, self.keyNorm) = (queryNorm, keyNorm)
    (self.linears, self.biases) = (linears, biases)
  }

  package func weight(_ module: LinearModule) -> Weight { linears[module]! }
}

/// A decoder with its weights. All threads share it and, through the page cache, all ranks.
package final class LanguageModel: Sendable {
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

  /// The same model with some of its weights replaced.
  /// - Parameters:
  ///   - tiesHead: whether a head without a replacement of its own follows the embedding.
  ///   - replacement: [out, in] for a matrix, [1, out] for a vector; nil keeps the weight.
  func replacing(tiesHead: Bool, _ replacement: (WeightName) -> Matrix?) -> LanguageModel {
    let embedding = replacement(.embedding).map(Weight.init)
    let layers = self.layers.enumerated().map { number, layer in
      DecoderLayer(
        inputNorm: replacement(.inputNorm(layer: number)) ?? layer.inputNorm,
        postAttentionNorm: replacement(.feedForwardNorm(layer: number)) ?? layer.postAttentionNorm,
        queryNorm: layer.queryNorm.map { replacement(.queryNorm(layer: number)) ?? $0 },
        keyNorm: layer.keyNorm.map { replacement(.keyNorm(layer: number)) ?? $0 },
        linears: Dictionary(
          uniqueKeysWithValues: layer.linears.map { module, weight in
            (module, replacement(.linear(module, layer: number)).map(Weight.init) ?? weight)
          }),
        biases: Dictionary(
          uniqueKeysWithValues: layer.biases.map { module, bias in
            (module, replacement(.bias(module, layer: number)) ?? bias)
          }))
    }
    return LanguageModel(
      configuration: configuration, embedding: embedding ?? self.embedding, layers: layers,
      finalNorm: replacement(.finalNorm) ?? finalNorm,
      head: replacement(.head).map(Weight.init) ?? (tiesHead ? embedding : nil) ?? head)
  }

  /// The same model with some of its linear layers' matrices or its head replaced.
  package func replacingMatrices(_ replacement: (WeightName) -> Weight?) -> LanguageModel {
    let layers = self.layers.enumerated().map { number, layer in
      var layer = layer
      for module in LinearModule.allCases {
        if let weight = replacement(.linear(module, layer: number)) { layer.linears[module] = weight }
      }
      return layer
    }
    return LanguageModel(
      configuration: configuration, embedding: embedding, layers: layers, finalNorm: finalNorm,
      head: replacement(.head) ?? head)
  }

  /// One of the weights; a vector is one row.
  /// - Precondition: the family has it.
  func weight(_ name: WeightName) -> Weight {
    switch name {
    case .embedding: embedding
    case .head: head
    case .finalNorm: Weight(finalNorm)
    case .inputNorm(let layer): Weight(layers[layer].inputNorm)
    case .feedForwardNorm(let layer): Weight(layers[layer].postAttentionNorm)
    case .queryNorm(let layer): Weight(layers[layer].queryNorm!)
    case .keyNorm(let layer): Weight(layers[layer].keyNorm!)
    case .linear(let module, let layer): layers[layer].weight(module)
    case .bias(let module, let layer): Weight(layers[layer].biases[module]!)
    }
  }

  /// Bytes of the matrices that every pass reads; all ranks of a node share them. An embedding that is not the head too
  /// does not count: a pass reads a few of its rows.
  /// - Parameter isCounted: whether a linear layer or the head counts.
  package func sharedByteCount(where isCounted: (WeightName) -> Bool = { _ in true }) -> Int {
    let linears = layers.enumerated().flatMap { number, layer in
      layer.linears.filter { isCounted(.linear($0.key, layer: number)) }.values
    }
    return linears.reduce(isCounted(.head) ? head.byteCount : 0) { $0 + $1.byteCount }
  }
}
