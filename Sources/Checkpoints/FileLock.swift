// Lets one process work while others wait for its result.

import Glibc
import Tensors

/// A lock that the kernel releases when its holder ends, in any way.
package enum FileLock {
  /// Runs `body` while no other process holds the lock `path`; waiting sleeps.
  ///
  /// On file systems without locks `body` runs at once, so the caller must also be correct without the lock.
  /// - Parameters:
  ///   - path: a file, which is created, or a directory.
  ///   - permissions: of the file.
  ///   - onWait: called again and again while another process holds the lock; an error of it ends the wait.
  /// - Throws: `WriteError` if the lock's file cannot be created; errors of `onWait` and `body`.
  package static func hold<Result>(
    _ path: String, permissions: FilePermissions = .user, onWait: () throws -> Void = {}, _ body: () throws -> Result
  ) throws -> Result {
    let isDirectory = EntryKind(path) == .directory
    let descriptor = uninterrupted {
      open(path, (isDirectory ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, permissions.fileMode)
    }
    guard descriptor >= 0 else { throw WriteError(path: path, action: "create the lock", code: errno) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0, [EWOULDBLOCK, EINTR].contains(errno) {
      try onWait()
      usleep(100_000)
    }
    return try body()
  }
}
