// Work that one process does while others wait for its result.

import Glibc

/// A lock that the kernel gives back when its holder ends, however it ends.
package enum FileLock {
  /// Runs `body` while no other process runs one under the lock `path`; waiting sleeps.
  ///
  /// On file systems without locks `body` runs at once: whoever relies on the lock must end well without it.
  /// - Throws: `WriteError` when the lock's file cannot be made; what `body` throws.
  package static func hold<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FilePermissions.user.fileMode)
    guard descriptor >= 0 else { throw WriteError(path: path, action: "create the lock", code: errno) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
    return try body()
  }
}
