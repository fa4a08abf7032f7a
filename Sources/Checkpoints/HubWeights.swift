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
      owner = try shards.owners(in: files)
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

/// `model.safetensors.index.json`: maps each tensor to its shard.
private struct ShardIndex {
  let path: String
  /// The shards' file names, sorted.
  let files: [String]
  private let map: [JSONValue.Member]

  init(path: String) throws {
    self.path = path
    guard let members = try JSONValue.read(file: path, limit: 16 << 20)["weight_map"]?.members, !members.isEmpty
    else {
      throw ContentError(path, "weight_map", "is missing or empty", expected: "tensor to file name")
    }
    var files: Set<String> = []
    var problems: [ContentError.Problem] = []
    for member in members {
      guard let file = member.value.string, Self.isPlainShardName(file) else {
        let found = member.value.string.map { "\"\($0)\"" } ?? "no file name"
        problems.append(
          .init(
            member.name, "is mapped to \(found)",
            expected: "the plain name of a .safetensors file in the same directory"))
        continue
      }
      files.insert(file)
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    map = members
    self.files = files.sorted()
  }

  /// The shard of every tensor, checked against the shards' contents.
  func owners(in shards: [SafetensorsFile]) throws(ContentError) -> [String: Int] {
    var owner: [String: Int] = [:]
    var problems: [ContentError.Problem] = []
    for (index, shard) in shards.enumerated() {
      for name in shard.names {
        if let first = owner.updateValue(index, forKey: name) {
          problems.append(.init(name, "is in both \(files[first]) and \(files[index])"))
        }
      }
    }
    for member in map {
      let expected = member.value.string ?? ""
      let found = owner[member.name].map { files[$0] }
      if found != expected {
        problems.append(.init(member.name, found.map { "is in \($0)" } ?? "is in no shard", expected: expected))
      }
    }
    let indexed = Set(map.map(\.name))
    for name in owner.keys.sorted() where !indexed.contains(name) {
      problems.append(.init(name, "is in \(files[owner[name] ?? 0]) but not in the index"))
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    return owner
  }

  /// Accepts `[A-Za-z0-9._-]+.safetensors`, not hidden: a name that cannot lead out of the directory.
  private static func isPlainShardName(_ name: String) -> Bool {
    name.utf8.count <= 255 && name.hasSuffix(".safetensors") && !name.hasPrefix(".")
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
