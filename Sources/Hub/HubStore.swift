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

/// Holds a lock that other processes wait for.
enum HubLock {
  /// Runs `body` while no other process holds the lock; where the file system knows no locks, at once.
  /// - Parameter path: a file, which is created, or a directory.
  /// - Throws: `HubFailure.stopped`, `WriteError`, errors of `body`.
  static func hold<Result>(
    _ path: String, isStopped: () -> Bool, onWait: () -> Void, during body: () throws -> Result
  ) throws -> Result {
    let isDirectory = EntryKind(path) == .directory
    // As huggingface_hub, whose locks these are, so that users can share a cache.
    let descriptor = isDirectory ? open(path, O_RDONLY | O_CLOEXEC) : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
    guard descriptor >= 0 else { throw WriteError(path: path, action: "create the lock", code: errno) }
    defer { close(descriptor) }
    var hasTold = false
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0, [EWOULDBLOCK, EINTR].contains(errno) {
      guard !isStopped() else { throw HubFailure.stopped }
      if !hasTold { onWait() }
      hasTold = true
      usleep(100_000)
    }
    return try body()
  }
}

func fileSize(_ path: String) -> Int? {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}
