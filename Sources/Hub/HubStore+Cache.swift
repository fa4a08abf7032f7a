// The hub's own cache: huggingface_hub and transformers find there what Shoal downloaded, and the other way round.

import Checkpoints
import Glibc
import Tensors

/// `models--OWNER--NAME` with `blobs`, `snapshots/COMMIT` and `refs`.
///
/// Until all files of a download are there they are blobs alone: who finds a snapshot finds all that was asked for.
struct HubCacheStore: HubStore {
  private let folder: HubFolder
  private let commit: String
  private let isPart: Bool

  var directory: String { folder.snapshot(commit) }
  var room: String { folder.blobs }

  /// - Parameter isPart: whether a snapshot that is made now is marked as a part of the data set.
  init(_ cache: HubCache, _ name: HubName, commit: String, isPart: Bool = false) {
    (folder, self.commit, self.isPart) = (HubFolder(cache: cache.path, name), commit, isPart)
  }

  private func blobName(_ file: HubFile) -> String {
    file.proof?.blobName ?? SHA256.text(of: Array("\(commit)/\(file.path)".utf8))
  }

  private func blob(_ file: HubFile) -> String { "\(folder.blobs)/\(blobName(file))" }

  func presence(of file: HubFile) throws -> HubPresence {
    if isInSnapshot(file) { return .whole }
    let (pointer, blob) = ("\(directory)/\(file.path)", blob(file))
    guard [nil, .link].contains(EntryKind(pointer)) else { throw HubMistake.notAFile(path: pointer) }
    guard EntryKind(blob) != nil else { return .absent }
    guard let bytes = fileSize(blob) else { throw HubMistake.notAFile(path: blob) }
    if let expected = file.bytes, bytes != expected {
      throw HubMistake.damagedBlob(path: blob, bytes: bytes, expected: expected)
    }
    return .whole
  }

  private func isInSnapshot(_ file: HubFile) -> Bool {
    let pointer = "\(directory)/\(file.path)"
    guard let bytes = fileSize(pointer), file.bytes == nil || file.bytes == bytes else { return false }
    // A regular file is how the cache looks where there are no links.
    return EntryKind(pointer) == .file || file.proof == nil || isSameFile(pointer, blob(file))
  }

  func partial(of file: HubFile) -> (path: String, lock: String) {
    (blob(file) + HubFolder.partialSuffix, "\(folder.locks)/\(blobName(file)).lock")
  }

  func place(_ partial: String, as file: HubFile) throws {
    let blob = blob(file)
    guard rename(partial, blob) == 0 else { throw WriteError(path: blob, action: "rename to", code: errno) }
    try syncDirectory(folder.blobs, afterChange: true)
  }

  func finish(_ files: [HubFile], revision: String) throws {
    if !files.allSatisfy(isInSnapshot) {
      try makeDirectory(folder.locks)
      try FileLock.hold("\(folder.locks)/\(commit).lock", permissions: .umask) { try makeSnapshot(of: files) }
    }
    if !isPart { unlink(folder.partMark(commit)) }
    guard revision != commit, folder.commit(of: revision) != commit else { return }
    let path = "\(folder.refs)/\(revision)"
    try makeDirectory(parentDirectory(of: path))
    try AtomicFile.write(commit, to: path, permissions: .umask)
  }

  // MARK: Links

  /// Adds the files to the snapshot, which appears with all of them.
  private func makeSnapshot(of files: [HubFile]) throws {
    let isNew = isAbsentOrEmptyDirectory(directory)
    if isNew {
      // As deep as the snapshot, for the links. What a killed process left there is gone on with: its blobs are whole.
      let unfinished = "\(folder.blobs)/\(commit).snapshot"
      try link(files, in: unfinished)
      try makeDirectory(folder.snapshots)
      if isPart { try AtomicFile.write("", to: folder.partMark(commit), permissions: .umask) }
      if rename(unfinished, directory) == 0 { return try syncDirectory(folder.snapshots, afterChange: true) }
      // Where there are no locks another process may have been faster.
      guard [EEXIST, ENOTEMPTY].contains(errno) else {
        throw WriteError(path: directory, action: "rename to", code: errno)
      }
    }
    try link(files.filter { !isInSnapshot($0) }, in: directory)
  }

  private func link(_ files: [HubFile], in snapshot: String) throws {
    for file in files {
      let pointer = "\(snapshot)/\(file.path)"
      try makeDirectory(parentDirectory(of: pointer))
      try point(at: blob(file), from: pointer)
    }
    for parent in Set(files.map { parentDirectory(of: "\(snapshot)/\($0.path)") }) {
      try syncDirectory(parent, afterChange: true)
    }
  }

  /// Makes the snapshot's link to a blob, relative, so that a cache can be moved.
  private func point(at blob: String, from pointer: String) throws {
    let depth = pointer.dropFirst(folder.path.count + 1).split(separator: "/").count - 1
    let target = String(repeating: "../", count: depth) + blob.dropFirst(folder.path.count + 1)
    if symlink(target, pointer) == 0 { return }
    let code = errno
    if code == EEXIST {
      if isSameFile(pointer, blob) { return }
      guard EntryKind(pointer) == .link else {
        // A file that was moved there, for want of links.
        guard EntryKind(blob) == nil, EntryKind(pointer) == .file else { throw HubMistake.notAFile(path: pointer) }
        return
      }
      // A link to a blob that is gone, or to the content of a file that the hub has replaced.
      return try withFreeTemporaryName(for: pointer) { (temporary) throws(WriteError) in
        guard symlink(target, temporary) == 0, rename(temporary, pointer) == 0 else {
          throw WriteError(path: temporary, action: "link", code: errno)
        }
      }
    }
    // A file system without links: there the snapshot has the file itself.
    guard [EPERM, EOPNOTSUPP, ENOSYS].contains(code), rename(blob, pointer) == 0 else {
      throw WriteError(path: pointer, action: "link", code: errno)
    }
  }
}
