// The shape of a Qwen2 model, read from the config.json of a hub directory. Every unsupported setting is an error that
// names the key: a model that runs with different arithmetic than in training looks almost right.

package import Tensors

/// The sizes and constants that define a dense Qwen2 or Qwen2.5 model.
package struct ModelConfiguration: Sendable, Equatable {
  /// D
  package var hiddenSize: Int
  /// F
  package var feedForwardSize: Int
  /// L
  package var layerCount: Int
  /// H
  package var headCount: Int
  /// K; divides H
  package var keyValueHeadCount: Int
  /// E; even
  package var headWidth: Int
  /// V
  package var vocabularySize: Int
  package var normEpsilon: Float
  /// θ of the rotary position embedding.
  package var ropeTheta: Double
  /// Whether the head's matrix is the embedding.
  package var tiesEmbeddings: Bool
  package var maximumPositions: Int
  package var beginOfSequence: Int?
  package var endOfSequence: [Int]
  /// The element type of the weights, according to config.json.
  package var storedType: ElementType?

  package init(
    hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int, keyValueHeadCount: Int,
    headWidth: Int, vocabularySize: Int, normEpsilon: Float, ropeTheta: Double,
    tiesEmbeddings: Bool, maximumPositions: Int, beginOfSequence: Int?, endOfSequence: [Int], storedType: ElementType?
  ) {
    (self.hiddenSize, self.feedForwardSize, self.layerCount) = (hiddenSize, feedForwardSize, layerCount)
    (self.headCount, self.keyValueHeadCount, self.headWidth) = (headCount, keyValueHeadCount, headWidth)
    (self.vocabularySize, self.normEpsilon, self.ropeTheta) = (vocabularySize, normEpsilon, ropeTheta)
    (self.tiesEmbeddings, self.maximumPositions) = (tiesEmbeddings, maximumPositions)
    (self.beginOfSequence, self.endOfSequence, self.storedType) = (beginOfSequence, endOfSequence, storedType)
  }

  /// H · E
  package var queryWidth: Int { headCount * headWidth }
  /// K · E
  package var keyValueWidth: Int { keyValueHeadCount * headWidth }
}
