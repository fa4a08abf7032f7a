// The weights of a hub directory: one file, or shards with an index.

package import Tensors

/// All tensors of a model directory, each in exactly one mapped file.
package final class HubWeights: Sendable {
  /// One tensor, and the file that keeps its bytes mapped.
  package struct Weight: Sendable {
    package let file: SafetensorsFile
    package let entry: SafetensorsFile.Entry

    package var type: ElementType { entry.type }
    package var shape: [Int] { entry.shape }
    /// Valid while `file` lives.
    package var bytes: UnsafeRawBufferPointer { file.bytes(of: entry) }
  }

  package static let singleName = "model.safetensors"
  package static let indexName = "model.safetensors.index.json"

  /// The files, sorted by name.
  package let files: [SafetensorsFile]
  private let owner: [String: Int]

  /// Every tensor's name, in the order of the files and of the bytes in them.
  package var names: [String] { files.flatMap(\.names) }

  /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
  ///
  /// Follows symbolic links, because the hub's cache consists of them. Rejects names that contain a path.
  /// - Throws: `FileError`, `ContentError`.
  package init(directory: String) throws {
    let single = "\(directory)/\(Self.singleName)"
    let index = "\(directory)/\(Self.indexName)"
    if fileExists(single) {
      files = [try SafetensorsFile(path: single)]
      owner = Dictionary(uniqueKeysWithValues: files[0].names.map { ($0, 0) })
    } else if fileExists(index) {
      let shards = try ShardIndex(path: index)
      files = try shards.files.map { try SafetensorsFile(path: "\(directory)/\($0)") }
      owner = try shards.owners(of: files.map(\.names))
    } else {
      throw ContentError(
        directory, "holds no weights",
        expected:
          "\(Self.singleName), or \(Self.indexName) with its shards (`random_init: true` trains a model without)")
    }
  }

  /// The tensors of one file.
  package init(file: SafetensorsFile) {
    files = [file]
    owner = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
  }

  /// The files that the index of `directory` names; none if it cannot be read, which opening the weights tells.
  static func shardNames(directory: String) -> [String] {
    (try? ShardIndex(path: "\(directory)/\(indexName)"))?.files ?? []
  }

  package subscript(name: String) -> Weight? {
    guard let index = owner[name], let entry = files[index].tensors[name] else { return nil }
    return Weight(file: files[index], entry: entry)
  }
}
