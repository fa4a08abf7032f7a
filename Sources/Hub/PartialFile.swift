// A file that grows over several attempts and starts, until it is whole.

import Checkpoints
import Glibc
import Tensors

/// The bytes of a file that came so far, under a name of their own.
final class PartialFile {
  let path: String
  private(set) var byteCount: Int
  private let descriptor: Int32

  /// Opens what an earlier start left, or begins a new file.
  /// - Throws: `WriteError`.
  init(_ path: String) throws(WriteError) {
    descriptor = uninterrupted {
      open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FilePermissions.umask.fileMode)
    }
    guard descriptor >= 0 else { throw WriteError(path: path, action: "open", code: errno) }
    self.path = path
    byteCount = max(0, Int(lseek(descriptor, 0, SEEK_END)))
  }

  deinit { close(descriptor) }

  /// - Throws: `WriteError`.
  func append(_ bytes: UnsafeRawBufferPointer) throws(WriteError) {
    try writeAll(bytes, to: descriptor, path: path, counting: &byteCount)
  }

  /// Begins anew.
  /// - Throws: `WriteError`.
  func clear() throws(WriteError) {
    guard byteCount > 0 else { return }
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw WriteError(path: path, action: "shorten", code: errno)
    }
    byteCount = 0
  }

  /// Makes the bytes durable.
  /// - Throws: `WriteError`.
  func sync() throws(WriteError) {
    guard fsync(descriptor) == 0 else { throw WriteError(path: path, action: "make durable", code: errno) }
  }
}

extension HubFile.Proof {
  /// Why a file's content is not the one that is proven; nil if it is, or if there is no hash of it.
  /// - Parameter sha256: hashes a file.
  /// - Throws: `FileError`, errors of `sha256`.
  func mismatch(
    ofFile path: String, bytes: Int, sha256: (String) throws -> String = { try hashedFile($0).sha256 }
  ) throws -> (found: String, expected: String)? {
    switch self {
    case .sha256(let expected):
      let found = try sha256(path)
      return found == expected ? nil : ("the SHA-256 \(found)", expected)
    case .sha1(let expected):
      let (git, plain) = (SHA1.ofGitBlob(byteCount: bytes), SHA1())
      _ = try readFile(path) {
        git.append($0)
        plain.append($0)
      }
      return [git.text, plain.text].contains(expected) ? nil : ("git's hash \(git.text)", expected)
    case .tag: return nil
    }
  }
}
