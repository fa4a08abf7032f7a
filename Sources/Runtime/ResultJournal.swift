// Results kept in a file as they come, so that work that was interrupted goes on where it was.

package import Checkpoints
import Glibc
import Tensors

/// A file of results by request. It is for one model; the results of another are dropped.
///
/// The first line says whose results these are. Every other line is a request's digest and its result.
package final class ResultJournal {
  private let path: String
  private let descriptor: Int32
  private var byteCount = 0
  private var known: [String: JSONValue] = [:]
  private static let kind = "shoal results"

  /// Opens or makes the file.
  /// - Parameters:
  ///   - identity: says all that a result depends on besides its request.
  ///   - replaces: whether results of another identity are dropped.
  /// - Throws: `ContentError` if the file is something else, of another identity, or in use; `FileError`, `WriteError`.
  package init(path: String, identity: String, replaces: Bool = false) throws {
    self.path = path
    let exists = entryExists(path)
    if exists, EntryKind(path) != .file { throw Self.somethingElse(path) }
    descriptor = uninterrupted {
      open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FilePermissions.umask.fileMode)
    }
    guard descriptor >= 0 else { throw WriteError(path: path, action: "open", code: errno) }
    // Freed when the process ends, however it ends. Where the file system knows no locks, there is none.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      throw ContentError(
        path, "is in use by another start of this command", expected: "one at a time, or another --out")
    }
    var valid = 0
    if exists, lseek(descriptor, 0, SEEK_END) > 0 { (known, valid) = try Self.read(path, identity, replaces: replaces) }
    // A line that a kill cut short goes.
    guard ftruncate(descriptor, off_t(valid)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
      throw WriteError(path: path, action: "write", code: errno)
    }
    if valid == 0 { try write(["kind": .string(Self.kind), "identity": .string(identity)]) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private static func somethingElse(_ path: String) -> ContentError {
    ContentError(path, "holds something else", expected: "results of an earlier start: move the file away")
  }

  /// The results of a file, and its bytes up to the last whole line.
  private static func read(
    _ path: String, _ identity: String, replaces: Bool
  ) throws -> ([String: JSONValue], Int) {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    var (known, valid): ([String: JSONValue], Int) = ([:], 0)
    while let end = file.bytes[valid...].firstIndex(of: UInt8(ascii: "\n")) {
      guard let line = try? JSONValue.parse(Array(file.bytes[valid..<end])) else { break }
      if valid == 0 {
        guard line["kind"]?.string == kind else { break }
        if line["identity"]?.string != identity {
          guard !replaces else { return ([:], 0) }
          throw ContentError(
            path, "holds results of another model or another version of the program",
            expected: "those of this one: remove the file, or add --overwrite, and begin anew")
        }
      } else if let digest = line["request"]?.string, let result = line["result"] {
        known[digest] = result
      }
      valid = end + 1
    }
    // A kill may have cut the first line short.
    let head = Array(#"{"kind":"\#(kind)""#.utf8)
    let isCutShort = !file.bytes.contains(UInt8(ascii: "\n")) && zip(file.bytes, head).allSatisfy(==)
    guard valid > 0 || isCutShort else { throw somethingElse(path) }
    return (known, valid)
  }

  /// The result of a request, if it is known.
  package subscript(digest: String) -> JSONValue? { known[digest] }

  /// Keeps a result.
  /// - Throws: `WriteError`.
  package func add(_ result: JSONValue, for digest: String) throws {
    try write(["request": .string(digest), "result": result])
  }

  private func write(_ line: JSONValue) throws {
    let bytes = Array((line.serialized() + "\n").utf8)
    try bytes.withUnsafeBytes { try writeAll($0, to: descriptor, path: path, counting: &byteCount) }
  }

  /// Removes the file, when what it was for is done.
  package func remove() { unlink(path) }
}
