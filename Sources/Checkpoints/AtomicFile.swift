// Replaces files atomically: each is written under a temporary name, made durable (fsync), then renamed.

import Glibc

/// Files that appear under their names when all of them are written.
package final class AtomicFiles {
  private struct Pending {
    let temporary: String
    let path: String
  }

  private let permissions: FilePermissions
  private var pending: [Pending] = []

  package init(permissions: FilePermissions = .user) { self.permissions = permissions }

  deinit { for file in pending { unlink(file.temporary) } }

  /// Writes a file that will be `path` and returns its SHA-256.
  /// - Throws: `WriteError`, and errors of `body`; no file has changed then.
  @discardableResult
  package func file(_ path: String, hashes: Bool = true, _ body: (OutputFile) throws -> Void) throws -> String {
    let output = try withFreeTemporaryName(for: path) { (temporary) throws(WriteError) in
      try OutputFile(path: temporary, permissions: permissions, hashes: hashes)
    }
    pending.append(Pending(temporary: output.path, path: path))
    try body(output)
    return try output.finish() ?? ""
  }

  /// Gives the files their names, in the order in which they were written.
  /// - Parameter replaces: whether files that have these names by now are replaced.
  /// - Throws: `WriteError`, which says what was replaced before.
  package func commit(replaces: Bool = true) throws {
    var replaced: [String] = []
    while let file = pending.first {
      guard Self.rename(file.temporary, to: file.path, replaces: replaces) else {
        throw WriteError(
          path: file.path, action: "rename the finished file to", code: errno, replacedBefore: replaced)
      }
      replaced.append(file.path)
      pending.removeFirst()
    }
    for parent in Set(replaced.map(parentDirectory(of:))) { try syncDirectory(parent, afterChange: true) }
  }

  /// Gives a finished file its name. False, with the reason in `errno`, if that fails.
  /// - Parameter replaces: whether a file that has this name by now is replaced; otherwise it is EEXIST.
  package static func rename(_ temporary: String, to path: String, replaces: Bool) -> Bool {
    if replaces { return Glibc.rename(temporary, path) == 0 }
    // Unlike a rename, a second name is refused where the name is taken.
    if link(temporary, path) == 0 {
      unlink(temporary)
      return true
    }
    guard errno != EEXIST, !entryExists(path) else {
      errno = EEXIST
      return false
    }
    // A file system without hard links.
    return Glibc.rename(temporary, path) == 0
  }
}

/// Replaces a file atomically.
package enum AtomicFile {
  /// Writes `path` with the bytes that `body` appends; a failure leaves the file unchanged.
  /// - Throws: `WriteError`, and errors of `body`.
  package static func write(
    to path: String, permissions: FilePermissions = .user, _ body: (OutputFile) throws -> Void
  ) throws {
    let files = AtomicFiles(permissions: permissions)
    try files.file(path, hashes: false, body)
    try files.commit()
  }

  package static func write(_ bytes: [UInt8], to path: String, permissions: FilePermissions = .user) throws {
    try write(to: path, permissions: permissions) { try $0.append(bytes) }
  }

  package static func write(_ text: String, to path: String, permissions: FilePermissions = .user) throws {
    try write(Array(text.utf8), to: path, permissions: permissions)
  }
}

/// Calls `create` with `PATH.tmp-PID`, or with the next free name: a crashed process with the same number, perhaps on
/// another host, may have left that name. The leftovers of other processes are never removed.
package func withFreeTemporaryName<Made>(
  for path: String, create: (String) throws(WriteError) -> Made
) throws(WriteError) -> Made {
  var attempt = 0
  while true {
    do throws(WriteError) {
      return try create("\(path).tmp-\(getpid())" + (attempt == 0 ? "" : "-\(attempt)"))
    } catch {
      attempt += 1
      guard error.code == EEXIST, attempt < 1000 else { throw error }
    }
  }
}
