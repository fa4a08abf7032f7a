// The index of a model in shards: which file has which tensor.

import Tensors

/// An index file such as `model.safetensors.index.json`: maps each tensor to its shard.
struct ShardIndex {
  let path: String
  /// The shards' file names, sorted.
  let files: [String]
  private let map: [JSONValue.Member]

  /// - Parameter suffix: how the shards' names end.
  init(path: String, suffix: String = ".safetensors") throws {
    self.path = path
    guard let members = try JSONValue.read(file: path, limit: 16 << 20)["weight_map"]?.members, !members.isEmpty
    else {
      throw ContentError(path, "weight_map", "is missing or empty", expected: "tensor to file name")
    }
    var files: Set<String> = []
    var problems: [ContentError.Problem] = []
    for member in members {
      guard let file = member.value.string, Self.isPlainShardName(file, suffix) else {
        let found = member.value.string.map { "\"\($0)\"" } ?? "no file name"
        problems.append(
          .init(
            member.name, "is mapped to \(found)",
            expected: "the plain name of a \(suffix) file in the same directory"))
        continue
      }
      files.insert(file)
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    map = members
    self.files = files.sorted()
  }

  /// The shard of every tensor, checked against the shards' contents.
  /// - Parameter shards: the names of each shard's tensors, in the order of `files`.
  func owners(of shards: [[String]]) throws(ContentError) -> [String: Int] {
    var owner: [String: Int] = [:]
    var problems: [ContentError.Problem] = []
    for (index, shard) in shards.enumerated() {
      for name in shard {
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

  /// Accepts `[A-Za-z0-9._-]+` with the suffix, not hidden: a name that cannot lead out of the directory.
  private static func isPlainShardName(_ name: String, _ suffix: String) -> Bool {
    name.utf8.count <= 255 && name.hasSuffix(suffix) && !name.hasPrefix(".")
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
