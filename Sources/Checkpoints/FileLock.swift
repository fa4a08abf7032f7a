// Lets one process work while others wait for its result.

import Glibc

/// A lock that the kernel releases when its holder ends, in any way.
package enum FileLock {
  /// Runs `body` while no other process holds the lock `path`; waiting sleeps.
  ///
  /// On file systems without locks `body` runs at once, so the caller must also be correct without the lock.
  /// - Throws: `WriteError` if the lock's file cannot be created; errors of `body`.
  package static func hold<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FilePermissions.user.fileMode)
    guard descriptor >= 0 else { throw WriteError(path: path, action: "create the lock", code: errno) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
    return try body()
  }
}
