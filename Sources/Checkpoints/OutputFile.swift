// The only way to write bytes to disk: a new file, written front to back, with every call checked.

package import Glibc
import Tensors

/// The machine could not write a file: no space, no permission, a failing disk. It can happen at any time, and it
/// leaves the earlier files unchanged.
///
/// A type apart from `FileError`, because it is not a `UserError`: `shoal` ends with 1, and a launcher starts it again.
package struct WriteError: Error, CustomStringConvertible {
  package let path: String
  package let action: String
  package let code: Int32
  /// What the same command had replaced before it failed.
  private let replacedBefore: [String]
  /// Whether it failed only after the change, which may be lost if the machine stops now.
  private let isAfterChange: Bool

  package init(
    path: String, action: String, code: Int32, replacedBefore: [String] = [], isAfterChange: Bool = false
  ) {
    (self.path, self.action, self.code) = (path, action, code)
    (self.replacedBefore, self.isAfterChange) = (replacedBefore, isAfterChange)
  }

  /// Whether the cause is a shortage or fault of the machine, which may pass; the user must fix other causes.
  package var isShortage: Bool { [ENOSPC, EDQUOT, EIO, ENOMEM, EMFILE, ENFILE].contains(code) }

  package var reason: String { String(cString: strerror(code)) }

  package var description: String {
    let state =
      isAfterChange
      ? "what was written is there"
      : replacedBefore.isEmpty
        ? "what was there before is untouched" : "already replaced: \(replacedBefore.joined(separator: ", "))"
    return "\(path): cannot \(action): \(reason); \(state)"
  }
}

/// The permissions of written files.
package enum FilePermissions: Sendable {
  /// Only the user may read: 0700 and 0600. For run directories and caches.
  case user
  /// Set by the process's umask. For exported models.
  case umask

  var directoryMode: mode_t { self == .user ? 0o700 : 0o777 }
  package var fileMode: mode_t { self == .user ? 0o600 : 0o666 }
}

/// A new file, written once from front to back and hashed while it is written.
package final class OutputFile {
  package let path: String
  package private(set) var byteCount = 0
  private var descriptor: Int32
  private let hash: SHA256?
  private let isStream: Bool

  /// Creates `path`, which must not exist yet.
  /// - Throws: `WriteError`.
  init(path: String, permissions: FilePermissions, hashes: Bool) throws(WriteError) {
    self.path = path
    hash = hashes ? SHA256() : nil
    isStream = false
    descriptor = uninterrupted { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions.fileMode) }
    guard descriptor >= 0 else { throw WriteError(path: path, action: "create", code: errno) }
  }

  /// A pipe, a terminal or a device that is open already; it is closed at the end.
  init(path: String, stream descriptor: Int32) {
    (self.path, self.descriptor, hash, isStream) = (path, descriptor, nil, true)
  }

  /// Appends `bytes`.
  /// - Throws: `WriteError`.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(WriteError) {
    hash?.append(bytes)
    try writeAll(bytes, to: descriptor, path: path, counting: &byteCount)
  }

  package func append(_ bytes: [UInt8]) throws(WriteError) {
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(WriteError) in try append(buffer) }
    }.get()
  }

  /// Removes the bytes after the first `count`, as far as the disk allows. Not for files that are hashed.
  func takeBack(to count: Int) {
    ftruncate(descriptor, off_t(count))
    lseek(descriptor, off_t(count), SEEK_SET)
    byteCount = count
  }

  /// Makes the bytes durable (fsync) and closes the file; returns the SHA-256 if it was requested.
  ///
  /// A failed fsync is final: the kernel may have dropped the pages, so a second fsync proves nothing.
  func finish() throws(WriteError) -> String? {
    guard isStream || fsync(descriptor) == 0 else {
      throw WriteError(path: path, action: "make durable", code: errno)
    }
    let closing = descriptor
    descriptor = -1
    guard close(closing) == 0 else { throw WriteError(path: path, action: "close", code: errno) }
    return hash?.text
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}

/// Makes the names in the directory `path` durable.
/// - Parameter afterChange: whether the change to be made durable is done.
package func syncDirectory(_ path: String, afterChange: Bool = false) throws(WriteError) {
  let descriptor = uninterrupted { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
  guard descriptor >= 0 else {
    throw WriteError(path: path, action: "open", code: errno, isAfterChange: afterChange)
  }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else {
    throw WriteError(path: path, action: "make durable", code: errno, isAfterChange: afterChange)
  }
}

/// Writes all bytes to an open file, in as many calls as the system wants.
/// - Parameter byteCount: grows by what was written, also before an error.
/// - Throws: `WriteError`.
package func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String, counting byteCount: inout Int
) throws(WriteError) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let chunk = UnsafeRawBufferPointer(rebasing: rest)
    let written = uninterrupted { write(descriptor, chunk.baseAddress, chunk.count) }
    guard written >= 0 else { throw WriteError(path: path, action: "write", code: errno) }
    rest = rest.dropFirst(written)
    byteCount += written
  }
}
