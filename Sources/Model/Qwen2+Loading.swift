// From an opened hub directory to the model: nothing is copied but norms and biases.

import Checkpoints
import Tensors

/// How the matrices of the frozen linear layers are held.
package enum WeightStorage: String, Sendable, CaseIterable {
  /// As the checkpoint stores them.
  case stored
  /// In NF4, from the cache: QLoRA's base.
  case nf4

  /// A hash of the numbers that a model with the hash `modelHash` computes with.
  package func contentHash(modelHash: String) -> String {
    switch self {
    case .stored: modelHash
    case .nf4: NF4File.contentHash(modelHash: modelHash)
    }
  }
}

extension Qwen2 {
  /// The model of a hub directory with its linear layers held as `storage`.
  /// - Parameters:
  ///   - modelHash: `directory.contentHash()`.
  ///   - threads: for quantising, where that was not done before.
  /// - Throws: for NF4 alone, as `NF4File` does.
  package convenience init(
    _ directory: ModelDirectory, as storage: WeightStorage, modelHash: String,
    cacheDirectory: String? = CacheDirectory.path,
    threads: Int, progress: @escaping NF4File.Progress = { _, _ in }
  ) throws {
    switch storage {
    case .stored: self.init(directory)
    case .nf4:
      let file = try NF4File(
        of: directory, modelHash: modelHash, cacheDirectory: cacheDirectory, threads: threads, progress: progress)
      self.init(directory, quantized: file)
    }
  }

  /// The model of a hub directory, its matrices left in the mapped files.
  /// - Parameter quantized: the matrices of the linear layers, where they are not to be the directory's own.
  package convenience init(_ directory: ModelDirectory, quantized: NF4File? = nil) {
    let layers = (0..<directory.configuration.layerCount).map { layer in
      let biased = LinearModule.allCases.filter(\.hasBias)
      return DecoderLayer(
        inputNorm: directory.weight(.inputNorm(layer: layer)).widened(),
        postAttentionNorm: directory.weight(.feedForwardNorm(layer: layer)).widened(),
        linears: Dictionary(
          uniqueKeysWithValues: LinearModule.allCases.map {
            ($0, quantized?.weight($0, layer: layer) ?? directory.weight(.linear($0, layer: layer)))
          }),
        biases: Dictionary(
          uniqueKeysWithValues: biased.map { ($0, directory.weight(.bias($0, layer: layer)).widened()) }))
    }
    self.init(
      configuration: directory.configuration, embedding: directory.weight(.embedding), layers: layers,
      finalNorm: directory.weight(.finalNorm).widened(), head: directory.weight(.head))
  }
}

extension ModelDirectory {
  /// A tensor as a matrix; a vector is one row.
  func weight(_ name: WeightName) -> Weight {
    let stored = self[name]
    guard let base = stored.bytes.baseAddress, let columns = stored.shape.last else {
      preconditionFailure("\(name.hubName) is empty")
    }
    let rows = stored.shape.count == 2 ? stored.shape[0] : 1
    return Weight(base: base, type: stored.type, rows: rows, columns: columns, owner: stored.file)
  }
}
