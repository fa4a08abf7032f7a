// Where a download puts its files: the hub's own cache, or a plain directory.

import Checkpoints
import Glibc
import Tensors

/// What is at the place of a file already.
enum HubPresence { case absent, whole }

/// A place for the files of one revision.
protocol HubStore {
  /// The directory with the files, for the user.
  var directory: String { get }
  /// The directory on whose file system the bytes are collected.
  var room: String { get }

  /// Whether the file is there.
  /// - Throws: `HubMistake` if something else is there that may not be replaced.
  func presence(of file: HubFile) throws -> HubPresence
  /// Where the file's bytes are collected, and which lock guards them.
  func partial(of file: HubFile) -> (path: String, lock: String)
  /// Keeps the finished bytes.
  /// - Throws: `WriteError`, `HubMistake`.
  func place(_ partial: String, as file: HubFile) throws
  /// After the last file.
  /// - Parameter files: all that were wanted.
  /// - Throws: `WriteError`, `HubMistake`.
  func finish(_ files: [HubFile], revision: String) throws
}

/// Creates a directory with its parents, so that they outlast a power failure.
/// - Throws: `WriteError`.
func makeDirectory(_ path: String) throws(WriteError) {
  for made in try CacheDirectory.create(path, permissions: .umask) {
    try syncDirectory(parentDirectory(of: made), afterChange: true)
  }
}

func fileSize(_ path: String) -> Int? {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}
