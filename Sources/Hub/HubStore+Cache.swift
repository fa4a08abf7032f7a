// The hub's own cache: huggingface_hub and transformers find there what Shoal downloaded, and the other way round.

import Checkpoints
import Glibc
import Tensors

/// `models--OWNER--NAME` with `blobs`, `snapshots/COMMIT` and `refs`.
struct HubCacheStore: HubStore {
  private let folder: String
  private let locks: String
  private let commit: String

  var directory: String { "\(folder)/snapshots/\(commit)" }

  init(_ cache: HubCache, _ name: HubName, commit: String) {
    folder = "\(cache.path)/\(name.folder)"
    locks = "\(cache.path)/.locks/\(name.folder)"
    self.commit = commit
  }

  private func blob(_ file: HubFile) -> String? { file.proof.map { "\(folder)/blobs/\($0.blobName)" } }

  func presence(of file: HubFile) throws -> HubPresence {
    let pointer = "\(directory)/\(file.path)"
    // A regular file is how the cache looks where there are no links.
    if let bytes = fileSize(pointer), file.bytes == nil || file.bytes == bytes {
      if EntryKind(pointer) == .file || file.proof == nil || isSameFile(pointer, blob(file) ?? "") { return .whole }
    }
    guard let blob = blob(file), EntryKind(blob) != nil else { return .absent }
    guard let bytes = fileSize(blob) else { throw HubMistake.notAFile(path: blob) }
    if let expected = file.bytes, bytes != expected {
      throw HubMistake.damagedBlob(path: blob, bytes: bytes, expected: expected)
    }
    try point(at: blob, from: pointer)
    return .whole
  }

  func partial(of file: HubFile) throws -> (path: String, lock: String) {
    for directory in ["\(folder)/blobs", locks] { try CacheDirectory.create(directory, permissions: .umask) }
    let name = file.proof?.blobName ?? SHA256.text(of: Array("\(commit)/\(file.path)".utf8))
    return ("\(folder)/blobs/\(name)\(PartialFile.suffix)", "\(locks)/\(name).lock")
  }

  func place(_ partial: String, as file: HubFile) throws {
    let blob = String(partial.dropLast(PartialFile.suffix.count))
    guard rename(partial, blob) == 0 else { throw WriteError(path: blob, action: "rename to", code: errno) }
    try syncDirectory("\(folder)/blobs", afterChange: true)
    try point(at: blob, from: "\(directory)/\(file.path)")
  }

  /// Makes the snapshot's link to a blob, relative, so that a cache can be moved.
  private func point(at blob: String, from pointer: String) throws {
    try CacheDirectory.create(parentDirectory(of: pointer), permissions: .umask)
    let depth = pointer.dropFirst(folder.count + 1).split(separator: "/").count - 1
    let target = String(repeating: "../", count: depth) + blob.dropFirst(folder.count + 1)
    if symlink(target, pointer) == 0 { return }
    if errno == EEXIST {
      if isSameFile(pointer, blob) { return }
      guard EntryKind(pointer) == .link else { throw HubMistake.notAFile(path: pointer) }
      // A link to a blob that is gone, or to the content of a file that the hub has replaced.
      let temporary = "\(pointer).tmp-\(getpid())"
      unlink(temporary)
      if symlink(target, temporary) == 0, rename(temporary, pointer) == 0 { return }
    }
    // A file system without links: there the snapshot has the file itself.
    guard [EPERM, EOPNOTSUPP, ENOSYS].contains(errno), rename(blob, pointer) == 0 else {
      throw WriteError(path: pointer, action: "link", code: errno)
    }
  }

  func finish(revision: String) throws {
    try syncDirectory(directory, afterChange: true)
    guard revision != commit else { return }
    let path = "\(folder)/refs/\(revision)"
    try CacheDirectory.create(parentDirectory(of: path), permissions: .umask)
    try AtomicFile.write(commit, to: path, permissions: .umask)
  }
}
