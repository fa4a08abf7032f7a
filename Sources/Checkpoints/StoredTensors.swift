// The tensors of a model directory, whether they are in safetensors or in files of torch.save.

package import Tensors

/// All tensors of a model directory by name, in mapped files.
package struct StoredTensors: Sendable {
  /// One tensor.
  package struct Tensor: @unchecked Sendable {
    package let type: ElementType
    package let shape: [Int]
    /// Valid while `owner` lives.
    package let bytes: UnsafeRawBufferPointer
    package let owner: MappedFile
  }

  package static let torchName = "pytorch_model.bin"
  package static let torchIndexName = "pytorch_model.bin.index.json"

  private let tensors: [String: Tensor]
  /// What the tensors were read from, for messages: the file, or the index of shards.
  package let path: String

  package var names: Dictionary<String, Tensor>.Keys { tensors.keys }

  package subscript(name: String) -> Tensor? { tensors[name] }

  /// Opens `model.safetensors` or its shards; without them `pytorch_model.bin` or its shards, of which nothing is run.
  /// - Throws: `FileError`, `ContentError`.
  package init(directory: String) throws {
    let safetensors = [HubWeights.singleName, HubWeights.indexName].first { fileExists("\(directory)/\($0)") }
    if let safetensors {
      path = "\(directory)/\(safetensors)"
      let weights = try HubWeights(directory: directory)
      tensors = Dictionary(
        uniqueKeysWithValues: weights.names.compactMap { name in
          weights[name].map {
            (name, Tensor(type: $0.type, shape: $0.shape, bytes: $0.bytes, owner: $0.file.file))
          }
        })
      return
    }
    let files: [TorchFile]
    if fileExists("\(directory)/\(Self.torchName)") {
      path = "\(directory)/\(Self.torchName)"
      files = [try TorchFile(path: path)]
    } else if fileExists("\(directory)/\(Self.torchIndexName)") {
      path = "\(directory)/\(Self.torchIndexName)"
      let shards = try ShardIndex(path: path, suffix: ".bin")
      files = try shards.files.map { try TorchFile(path: "\(directory)/\($0)") }
      _ = try shards.owners(of: files.map(\.names))
    } else {
      throw ContentError(
        directory, "holds no weights",
        expected: "\(HubWeights.singleName) or \(Self.torchName), or the index of one with its shards")
    }
    var tensors: [String: Tensor] = [:]
    for file in files {
      for (name, entry) in file.tensors {
        tensors[name] = Tensor(
          type: entry.type, shape: entry.shape,
          bytes: UnsafeRawBufferPointer(rebasing: file.file.bytes[entry.range]), owner: file.file)
      }
    }
    self.tensors = tensors
  }
}
