// Small helpers for paths and directories, on top of the system calls.

import Glibc
package import Tensors

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Whether the directory has an entry of that name, even a link that leads nowhere.
package func entryExists(_ path: String) -> Bool { EntryKind(path) != nil }

/// What an entry of a directory is itself; a link is not followed.
package enum EntryKind: Sendable {
  case file, directory, link
  /// A pipe or a character device.
  case stream
  case other

  /// Nil if there is no such entry.
  package init?(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .directory
    case S_IFLNK: self = .link
    case S_IFIFO, S_IFCHR: self = .stream
    default: self = .other
    }
  }
}

/// The directory that contains `path`, as a path that can be opened.
package func parentDirectory(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

package func withoutTrailingSlashes(_ path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  return path
}

/// The names in a directory, sorted, without `.` and `..`.
/// - Throws: `FileError`.
package func directoryEntries(_ path: String) throws(FileError) -> [String] {
  var found = opendir(path)
  while found == nil, errno == EINTR { found = opendir(path) }
  guard let directory = found else { throw FileError(path: path, action: "list", code: errno) }
  defer { closedir(directory) }
  var names: [String] = []
  errno = 0
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
    errno = 0
  }
  guard errno == 0 else { throw FileError(path: path, action: "list", code: errno) }
  return names.sorted()
}

package func isAbsentOrEmptyDirectory(_ path: String) -> Bool {
  var status = stat()
  if lstat(path, &status) != 0 { return errno == ENOENT }
  return status.st_mode & S_IFMT == S_IFDIR && (try? directoryEntries(path).isEmpty) == true
}

/// The first bytes of a small file.
/// - Throws: `FileError`.
package func smallFile(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
  let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
  guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
  defer { close(descriptor) }
  var bytes = [UInt8](repeating: 0, count: limit)
  let count = uninterrupted { read(descriptor, &bytes, limit) }
  guard count >= 0 else { throw FileError(path: path, action: "read", code: errno) }
  return Array(bytes.prefix(count))
}

/// This host's name, usable in a file name.
func hostName() -> String {
  var characters = [CChar](repeating: 0, count: 256)
  let status = gethostname(&characters, characters.count - 1)
  let name = String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  return status == 0 && !name.isEmpty && !name.contains("/") ? name : "localhost"
}
