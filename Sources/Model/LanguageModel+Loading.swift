// Makes the model from an opened hub directory. Copies only norms and biases.

import Checkpoints
import Tensors

extension LanguageModel {
  /// Loads the model of a hub directory with its linear layers in the given storage.
  /// - Parameters:
  ///   - modelHash: `directory.contentHash()`.
  ///   - threads: for quantising, when the cache has no file of that form yet.
  /// - Throws: for a quantised form, the errors of `QuantizedFile`.
  package convenience init(
    _ directory: ModelDirectory, as storage: WeightStorage, modelHash: String,
    cacheDirectory: String? = CacheDirectory.path,
    threads: Int, progress: @escaping QuantizedFile.Progress = { _, _ in }
  ) throws {
    let file = try storage.form.map {
      try QuantizedFile(
        of: directory, as: $0, modelHash: modelHash, cacheDirectory: cacheDirectory, threads: threads,
        progress: progress)
    }
    self.init(directory, quantized: file)
  }

  /// Loads the model of a hub directory. Its matrices stay in the mapped files.
  /// - Parameter quantized: matrices of the linear layers that replace the directory's own.
  package convenience init(_ directory: ModelDirectory, quantized: QuantizedFile? = nil) {
    let layers = (0..<directory.configuration.layerCount).map { layer in
      let normsHeads = directory.configuration.family.normsHeads
      return DecoderLayer(
        inputNorm: directory.weight(.inputNorm(layer: layer)).widened(),
        postAttentionNorm: directory.weight(.feedForwardNorm(layer: layer)).widened(),
        queryNorm: normsHeads ? directory.weight(.queryNorm(layer: layer)).widened() : nil,
        keyNorm: normsHeads ? directory.weight(.keyNorm(layer: layer)).widened() : nil,
        linears: Dictionary(
          uniqueKeysWithValues: LinearModule.allCases.map {
            ($0, quantized?.weight($0, layer: layer) ?? directory.weight(.linear($0, layer: layer)))
          }),
        biases: Dictionary(
          uniqueKeysWithValues: directory.configuration.biases.map {
            ($0, directory.weight(.bias($0, layer: layer)).widened())
          }))
    }
    self.init(
      configuration: directory.configuration, embedding: directory.weight(.embedding), layers: layers,
      finalNorm: directory.weight(.finalNorm).widened(), head: quantized?.head ?? directory.weight(.head))
  }

  /// The same model with the head as it is stored: for training it.
  package func withHead(of directory: ModelDirectory) -> LanguageModel {
    replacingMatrices { $0 == .head ? directory.weight(.head) : nil }
  }
}

extension ModelDirectory {
  /// A tensor as a matrix. A vector becomes one row.
  func weight(_ name: WeightName) -> Weight {
    let stored = self[name]
    guard let base = stored.bytes.baseAddress, let columns = stored.shape.last else {
      preconditionFailure("\(name.hubName) is empty")
    }
    let rows = stored.shape.count == 2 ? stored.shape[0] : 1
    return Weight(base: base, type: stored.type, rows: rows, columns: columns, owner: stored.file)
  }
}
