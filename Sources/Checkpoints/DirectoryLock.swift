// One process at a time works in a directory: a lock for as long as the work takes.

import Glibc
import Tensors

/// A directory that another process works in.
package struct DirectoryInUse: UserError, Equatable {
  package let path: String
  /// Nil where the lock's file does not say.
  package let holder: DirectoryLock.Holder?

  package var description: String {
    "\(path): \(holder?.description ?? "another process") works in this directory; wait until it ends, or name "
      + "another one"
  }
}

/// The lock of a directory, held until the object goes.
///
/// The kernel gives it back when its process ends, however it ends, so that a dead one never stands in the way. On NFS
/// it holds between hosts where the server's lock service runs; with `nolock` or `local_lock` it holds on one host only.
package final class DirectoryLock {
  package static let name = "run.lock"

  /// Who holds a lock, as its file says.
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

  /// Whether others are kept out: false on a file system that knows no locks.
  package let isExclusive: Bool
  private let path: String
  private let descriptor: Int32
  /// Those that were made for the lock, outermost first.
  private let madeDirectories: [String]

  /// Makes the directory if need be, private to the user, and locks it.
  ///
  /// A process that was killed may take seconds to be gone, so a lock that is held is waited for; waiting sleeps.
  /// - Parameters:
  ///   - seconds: how long.
  ///   - onWait: told who holds it, before the waiting.
  /// - Throws: `DirectoryInUse`; `WriteError` when nothing can be written there.
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

  /// Leaves no file, and no directory that is still as empty as it was made.
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
      // At each turn: a holder that made the directory takes it away again if it wrote nothing.
      made += try CacheDirectory.create(directory)
      let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FilePermissions.user.fileMode)
      if descriptor < 0, errno == ENOENT, ContinuousClock.now < deadline { continue }
      guard descriptor >= 0 else { throw WriteError(path: path, action: "create the lock", code: errno) }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        // The holder before may have removed the file between the two calls; then others lock another one.
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
