// A plain directory: the files under their own names, and nothing else.

import Checkpoints
import Glibc
import Tensors

/// The directory that `--out` names.
struct HubDirectoryStore: HubStore {
  let directory: String
  var room: String { directory }
  private let overwrites: Bool

  /// - Throws: `OutputRefusal` for a link or a file.
  init(_ path: String, overwrites: Bool) throws {
    directory = withoutTrailingSlashes(path)
    self.overwrites = overwrites
    try OutputTarget.requireDirectory(directory, inputs: [])
  }

  func presence(of file: HubFile) throws -> HubPresence {
    // No link on the way: it could lead anywhere.
    var parent = directory
    for part in file.path.split(separator: "/").dropLast() {
      parent += "/\(part)"
      switch EntryKind(parent) {
      case nil, .directory: break
      case .link: throw HubMistake.isLink(path: parent)
      default: throw HubMistake.notAFile(path: parent)
      }
    }
    let path = "\(directory)/\(file.path)"
    switch EntryKind(path) {
    case nil: return .absent
    case .file: break
    case .link: throw HubMistake.isLink(path: path)
    default: throw HubMistake.notAFile(path: path)
    }
    if let bytes = fileSize(path), file.bytes == nil || file.bytes == bytes,
      // Hashed once, not at every start.
      try file.proof?.mismatch(ofFile: path, bytes: bytes, sha256: ContentHash().sha256(ofFile:)) == nil
    {
      return .whole
    }
    guard overwrites else { throw HubMistake.exists(path: path) }
    return .absent
  }

  func partial(of file: HubFile) -> (path: String, lock: String) {
    let name = file.proof?.blobName ?? SHA256.text(of: Array(file.path.utf8))
    return ("\(directory)/\(file.path).\(name.prefix(12))\(HubFolder.partialSuffix)", directory)
  }

  func place(_ partial: String, as file: HubFile) throws {
    let path = "\(directory)/\(file.path)"
    guard AtomicFiles.rename(partial, to: path, replaces: overwrites) else {
      if errno == EEXIST { throw HubMistake.exists(path: path) }
      throw WriteError(path: path, action: "rename to", code: errno)
    }
    try syncDirectory(parentDirectory(of: path), afterChange: true)
  }

  func finish(_ files: [HubFile], revision: String) throws {}
}
