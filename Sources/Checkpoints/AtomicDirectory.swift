// Writes a directory atomically: under a temporary name, made durable (fsync), then renamed.

import Glibc
import Tensors

/// A directory that is being written. Its files appear under its name together, after the last file is durable.
package final class AtomicDirectory {
  /// Where the files are until the rename.
  private let temporaryPath: String
  private let permissions: FilePermissions
  private let hasManifest: Bool
  private var manifest = Manifest()

  private init(temporaryPath: String, permissions: FilePermissions, hasManifest: Bool) {
    (self.temporaryPath, self.permissions, self.hasManifest) = (temporaryPath, permissions, hasManifest)
  }

  /// Writes the directory `path` with the files that `body` adds.
  ///
  /// Any failure removes the temporary directory and leaves `path` unchanged. Temporary directories of other processes,
  /// or of a crashed one, are never touched.
  /// - Parameters:
  ///   - neededBytes: an estimate of the files' size; a lack of free space is detected before the work.
  ///   - hasManifest: whether to write, as the last file, `manifest.json` with the hash of every file, for
  ///     `VerifiedDirectory` and `OwnedFiles`.
  ///   - replaces: whether a directory that holds nothing but what its manifest lists is replaced.
  /// - Throws: `FileError` if `path` exists (but an empty directory is replaced); `WriteError`; errors of `body`.
  package static func write(
    to path: String, neededBytes: Int, permissions: FilePermissions = .user, hasManifest: Bool = true,
    replaces: Bool = false, _ body: (AtomicDirectory) throws -> Void
  ) throws {
    let path = withoutTrailingSlashes(path)
    let parent = parentDirectory(of: path)
    func requireFree(orReplaces: Bool) throws {
      guard isAbsentOrEmptyDirectory(path) || orReplaces else {
        throw FileError(path: path, action: "write a new directory", code: EEXIST)
      }
    }
    try requireFree(orReplaces: replaces)
    try requireFreeSpace(neededBytes, at: parent, for: path)
    let directory = AtomicDirectory(
      temporaryPath: try makeTemporary(for: path, permissions: permissions),
      permissions: permissions, hasManifest: hasManifest)
    do {
      try body(directory)
      try directory.writeManifest()
      try syncDirectory(directory.temporaryPath)
      // Only now, since others may have put something there during the work.
      if replaces { try requireFree(orReplaces: OwnedFiles(path)?.others.isEmpty == true) }
      try directory.rename(to: path, replaces: replaces)
    } catch {
      directory.removeTemporary()
      throw error
    }
    try syncDirectory(parent, afterChange: true)
  }

  /// Gives the finished directory its name. A directory that it replaces is moved away first and then removed.
  private func rename(to path: String, replaces: Bool) throws {
    func move(_ from: String, _ to: String) throws(WriteError) {
      guard Glibc.rename(from, to) == 0 else {
        throw WriteError(path: path, action: "rename the finished directory to", code: errno)
      }
    }
    guard replaces, !isAbsentOrEmptyDirectory(path) else {
      return try move(temporaryPath, path)
    }
    let old = try Self.makeTemporary(for: path, permissions: permissions)
    try move(path, old)
    do { try move(temporaryPath, path) } catch {
      Glibc.rename(old, path)
      throw error
    }
    var removal = Removal()
    try removal.remove(directory: old)
  }

  /// Adds the file `name` with the bytes that `body` appends.
  /// - Precondition: `name` is a plain file name that was not used before.
  package func file(_ name: String, _ body: (OutputFile) throws -> Void) throws {
    precondition(!name.isEmpty && !name.contains("/") && name != manifestName, "file name \(name)")
    try write(name, body)
  }

  package func file(_ name: String, text: String) throws { try file(name) { try $0.append(Array(text.utf8)) } }

  private func write(_ name: String, _ body: (OutputFile) throws -> Void) throws {
    let output = try OutputFile(path: "\(temporaryPath)/\(name)", permissions: permissions, hashes: hasManifest)
    try body(output)
    if let sha256 = try output.finish() { manifest.files[name] = .init(byteCount: output.byteCount, sha256: sha256) }
  }

  private func writeManifest() throws {
    guard hasManifest else { return }
    let text = Array(manifest.text.utf8)
    try write(manifestName) { try $0.append(text) }
  }

  private static func makeTemporary(for path: String, permissions: FilePermissions) throws(WriteError) -> String {
    try withFreeTemporaryName(for: path) { (temporary) throws(WriteError) in
      guard mkdir(temporary, permissions.directoryMode) == 0 else {
        throw WriteError(path: temporary, action: "create the directory", code: errno)
      }
      return temporary
    }
  }

  /// Removes the temporary directory and its files; it has no subdirectories.
  private func removeTemporary() {
    for name in (try? directoryEntries(temporaryPath)) ?? [] { unlink("\(temporaryPath)/\(name)") }
    rmdir(temporaryPath)
  }
}

/// - Throws: `WriteError` (ENOSPC) if the file system has fewer than `bytes` free for this user.
package func requireFreeSpace(_ bytes: Int, at parent: String, for path: String) throws(WriteError) {
  var status = statvfs()
  guard statvfs(parent, &status) == 0 else {
    throw WriteError(path: path, action: "find the free space for", code: errno)
  }
  let free = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
  guard free.overflow || free.partialValue >= bytes else {
    throw WriteError(path: path, action: "write \(bytes) bytes where \(free.partialValue) are free", code: ENOSPC)
  }
}
