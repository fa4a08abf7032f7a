// Allows one process at a time to work in a directory, with a lock that is held during the work.

import Glibc
import Tensors

/// Another process works in the directory.
package struct DirectoryInUse: UserError, Equatable {
  package let path: String
  /// Nil if the lock's file does not name the holder.
  package let holder: DirectoryLock.Holder?

  package var description: String {
    "\(path): \(holder?.description ?? "another process") works in this directory; wait until it ends, or name "
      + "another one"
  }
}

/// A file of the lock's name that is no lock.
package struct NoLock: UserError, Equatable {
  package let path: String

  package init(path: String) { self.path = path }

  package var description: String {
    "\(path): is not a lock of Shoal's, which would replace it; move it away, or name another directory"
  }
}

/// The lock of a directory, held until the object is released.
///
/// The kernel releases it when its process ends, in any way, so a dead process never blocks the directory. On NFS it
/// works between hosts if the server's lock service runs; with `nolock` or `local_lock` it works on one host only.
package final class DirectoryLock {
  package static let name = "run.lock"

  /// The holder of a lock, as written in the lock's file.
  package struct Holder: Sendable, Equatable, CustomStringConvertible {
    package var process: Int
    package var host: String

    package var description: String { "process \(process) on \(host)" }

    fileprivate static var own: Holder { Holder(process: Int(getpid()), host: hostName()) }

    fileprivate init(process: Int, host: String) { (self.process, self.host) = (process, host) }

    fileprivate init?(path: String) {
      guard let json = try? JSONValue.read(file: path, limit: 4096), let process = json["pid"]?.int,
        let host = json["host"]?.string
      else { return nil }
      self.init(process: process, host: host)
    }

    fileprivate var json: JSONValue { ["pid": .integer(Int64(process)), "host": .string(host)] }
  }

  /// Whether other processes are excluded: false on a file system without locks.
  package let isExclusive: Bool
  private let path: String
  private let descriptor: Int32
  /// The directories that were created for the lock, outermost first.
  private let madeDirectories: [String]

  /// Creates the directory if needed, private to the user, and locks it.
  ///
  /// A killed process may need seconds to end, so it waits for a lock that is held; waiting sleeps.
  /// - Parameters:
  ///   - seconds: the longest wait.
  ///   - onWait: called with the holder before the wait.
  /// - Throws: `DirectoryInUse`; `NoLock`; `WriteError` if the directory is not writable.
  package init(_ directory: String, waiting seconds: Double, onWait: (Holder?) -> Void) throws {
    let directory = withoutTrailingSlashes(directory)
    path = "\(directory)/\(Self.name)"
    var made: [String] = []
    do {
      (descriptor, isExclusive) = try Self.open(directory, &made, waiting: seconds, onWait: onWait)
    } catch {
      for directory in made.reversed() { rmdir(directory) }
      throw error
    }
    madeDirectories = made
    do {
      try Self.write(Holder.own, to: descriptor, path: path)
    } catch {
      release()
      throw error
    }
  }

  deinit { release() }

  /// Removes the lock's file, and the directories that it created and that are still empty.
  private func release() {
    if Self.isCurrent(descriptor, path) { unlink(path) }
    close(descriptor)
    for made in madeDirectories.reversed() { rmdir(made) }
  }

  private static func open(
    _ directory: String, _ made: inout [String], waiting seconds: Double, onWait: (Holder?) -> Void
  ) throws -> (descriptor: Int32, isExclusive: Bool) {
    let path = "\(directory)/\(name)"
    let deadline = ContinuousClock.now + .seconds(seconds)
    var isWaiting = false
    while true {
      // Repeated in each turn: a holder that created the directory removes it again if it wrote nothing.
      made += try CacheDirectory.create(directory)
      let descriptor = uninterrupted {
        Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FilePermissions.user.fileMode)
      }
      if descriptor < 0, errno == ENOENT, ContinuousClock.now < deadline { continue }
      guard descriptor >= 0 else {
        guard errno != ELOOP else { throw NoLock(path: path) }
        throw WriteError(path: path, action: "create the lock", code: errno)
      }
      guard isLock(descriptor) else {
        close(descriptor)
        throw NoLock(path: path)
      }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        // The previous holder may have removed the file between the two calls; other processes then lock another file.
        if isCurrent(descriptor, path) { return (descriptor, true) }
        close(descriptor)
        continue
      }
      let code = errno
      if code != EWOULDBLOCK && code != EINTR { return (descriptor, false) }
      close(descriptor)
      guard ContinuousClock.now < deadline else { throw DirectoryInUse(path: directory, holder: Holder(path: path)) }
      if !isWaiting { onWait(Holder(path: path)) }
      isWaiting = true
      usleep(50_000)
    }
  }

  /// Whether the open file is what a lock's holder writes, the beginning of it, or what a power failure makes of it.
  private static func isLock(_ descriptor: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 512)
    // A disk that fails to read it must not keep a run from its directory.
    let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
    let found = bytes.prefix(count)
    let start = Array(#"{"pid":"#.utf8)
    return found.count < bytes.count
      && (found.prefix(start.count).elementsEqual(start.prefix(found.count)) || found.allSatisfy { $0 == 0 })
  }

  /// Whether `path` still names the open file.
  private static func isCurrent(_ descriptor: Int32, _ path: String) -> Bool {
    var (opened, named) = (stat(), stat())
    return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino
      && opened.st_dev == named.st_dev
  }

  private static func write(_ holder: Holder, to descriptor: Int32, path: String) throws(WriteError) {
    let bytes = Array((holder.json.serialized() + "\n").utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
      throw WriteError(path: path, action: "write", code: errno)
    }
  }
}
