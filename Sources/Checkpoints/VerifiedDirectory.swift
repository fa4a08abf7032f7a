// The manifest of a written directory, and the check of every byte against it.

import Tensors

package let manifestName = "manifest.json"

/// The list of a directory's files, without the manifest itself. A manifest has exactly one valid text, so that a
/// change of any byte is detected.
struct Manifest {
  struct File: Equatable, Sendable {
    var byteCount: Int
    var sha256: String
  }

  private static let maximumBytes = 1 << 20

  var files: [String: File] = [:]

  var text: String {
    let members = files.sorted { $0.key < $1.key }.map { name, file in
      JSONValue.Member(name, ["bytes": .integer(Int64(file.byteCount)), "sha256": .string(file.sha256)])
    }
    let json: JSONValue = ["version": 1, "files": .object(members)]
    return json.serialized(indent: 2) + "\n"
  }

  init() {}

  /// Nil if `path` is not, byte for byte, the text of a manifest.
  init?(file path: String) throws {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    guard file.bytes.count <= Self.maximumBytes, let json = try? JSONValue.parse(file.bytes),
      let members = json["files"]?.members
    else { return nil }
    for member in members {
      guard let bytes = member.value["bytes"]?.int, let sha256 = member.value["sha256"]?.string
      else { return nil }
      files[member.name] = File(byteCount: bytes, sha256: sha256)
    }
    guard text.utf8.elementsEqual(file.bytes) else { return nil }
  }
}

/// A directory that `AtomicDirectory` wrote, with every byte checked against its manifest.
package struct VerifiedDirectory: Sendable {
  package let path: String
  /// The files' names, sorted, without the manifest.
  package let names: [String]

  /// Reads every file of `path` and compares its hash.
  /// - Parameter allowsOthers: whether it may hold more than what its manifest lists.
  /// - Throws: `FileError`; `ContentError` that names all files that are missing, additional, of another size or
  ///   changed.
  package init(_ path: String, allowsOthers: Bool = false) throws {
    let entries = try directoryEntries(path)
    guard entries.contains(manifestName) else {
      throw ContentError(path, "has no \(manifestName)", expected: "a directory that was finished")
    }
    let manifestPath = "\(path)/\(manifestName)"
    guard let manifest = try Manifest(file: manifestPath) else {
      throw ContentError(manifestPath, "is damaged, or not a manifest of version 1")
    }
    let others = allowsOthers ? [] : entries.filter { $0 != manifestName && manifest.files[$0] == nil }
    var problems = others.map { ContentError.Problem($0, "is not in the manifest") }
    for (name, file) in manifest.files.sorted(by: { $0.key < $1.key }) {
      guard entries.contains(name) else {
        problems.append(.init(name, "is missing"))
        continue
      }
      let found = try hashedFile("\(path)/\(name)")
      if found.byteCount != file.byteCount {
        problems.append(.init(name, "has \(found.byteCount) bytes", expected: "\(file.byteCount) (manifest)"))
      } else if found.sha256 != file.sha256 {
        problems.append(
          .init(name, "was changed: its SHA-256 is \(found.sha256)", expected: "\(file.sha256) (manifest)"))
      }
    }
    guard problems.isEmpty else { throw ContentError(path, problems) }
    self.path = path
    names = manifest.files.keys.sorted()
  }
}
