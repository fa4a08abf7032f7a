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

  /// Whether the file is there.
  /// - Throws: `HubMistake` if something else is there that may not be replaced.
  func presence(of file: HubFile) throws -> HubPresence
  /// Where the file's bytes are collected, and which lock guards them; makes the directories for it.
  /// - Throws: `WriteError`.
  func partial(of file: HubFile) throws -> (path: String, lock: String)
  /// Gives the finished bytes their name.
  /// - Throws: `WriteError`, `HubMistake`.
  func place(_ partial: String, as file: HubFile) throws
  /// After the last file.
  /// - Throws: `WriteError`.
  func finish(revision: String) throws
}

func fileSize(_ path: String) -> Int? {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}
