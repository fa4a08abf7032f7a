// From an opened hub directory to the model: nothing is copied but norms and biases.

import Checkpoints
import Tensors

extension Qwen2 {
  /// The model of a hub directory, its matrices left in the mapped files.
  package convenience init(_ directory: ModelDirectory) {
    func matrix(_ name: WeightName) -> Weight {
      let stored = directory[name]
      guard let base = stored.bytes.baseAddress, let columns = stored.shape.last else {
        preconditionFailure("\(name.hubName) is empty")
      }
      let rows = stored.shape.count == 2 ? stored.shape[0] : 1
      return Weight(base: base, type: stored.type, rows: rows, columns: columns, owner: stored.file)
    }
    let layers = (0..<directory.configuration.layerCount).map { layer in
      let biased = LinearModule.allCases.filter(\.hasBias)
      return DecoderLayer(
        inputNorm: matrix(.inputNorm(layer: layer)).widened(),
        postAttentionNorm: matrix(.feedForwardNorm(layer: layer)).widened(),
        linears: Dictionary(
          uniqueKeysWithValues: LinearModule.allCases.map { ($0, matrix(.linear($0, layer: layer))) }),
        biases: Dictionary(uniqueKeysWithValues: biased.map { ($0, matrix(.bias($0, layer: layer)).widened()) }))
    }
    self.init(
      configuration: directory.configuration, embedding: matrix(.embedding), layers: layers,
      finalNorm: matrix(.finalNorm).widened(), head: matrix(.head))
  }
}
