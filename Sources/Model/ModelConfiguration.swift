// The shape of a model, read from the config.json of a hub directory. Every unsupported setting is an error that
// names the key: a model that runs with different arithmetic than in training looks almost right.

package import Tensors

/// The family, sizes and constants that define a dense decoder.
package struct ModelConfiguration: Sendable, Equatable {
  package var family: ModelFamily
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
  package var ropeScaling: RopeScaling?
  /// The linear layers with a bias.
  package var biases: Set<LinearModule>
  /// Whether the head's matrix is the embedding.
  package var tiesEmbeddings: Bool
  package var maximumPositions: Int
  package var beginOfSequence: Int?
  package var endOfSequence: [Int]
  /// The element type of the weights, according to config.json.
  package var storedType: ElementType?

  /// - Parameter biases: nil: those that the family always has.
  package init(
    family: ModelFamily = .qwen2, hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int,
    keyValueHeadCount: Int,
    headWidth: Int, vocabularySize: Int, normEpsilon: Float, ropeTheta: Double,
    ropeScaling: RopeScaling? = nil, biases: Set<LinearModule>? = nil, tiesEmbeddings: Bool, maximumPositions: Int,
    beginOfSequence: Int?, endOfSequence: [Int], storedType: ElementType?
  ) {
    (self.family, self.ropeScaling) = (family, ropeScaling)
    self.biases = biases ?? family.biases(attention: false, feedForward: false)
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
