// A directory for one program, which may leave anything in it.

import Glibc
import Tensors

/// A new directory that only this user may enter.
struct ScratchDirectory {
  let path: String

  /// - Throws: `FileError`.
  init(in place: String) throws {
    var name = Array("\(place)/shoal-program-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else {
      throw FileError(path: place, action: "make a directory for a program", code: errno)
    }
    path = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Whether the files are more, larger together, or deeper than they may be. Looks at no more than that many.
  func exceeds(files: Int, bytes: Int) -> Bool {
    var left = (files: files, bytes: bytes)
    return !fits(Array(path.utf8CString), in: AT_FDCWD, depth: 0, left: &left)
  }

  private func fits(_ name: [CChar], in parent: Int32, depth: Int, left: inout (files: Int, bytes: Int)) -> Bool {
    guard depth < 64, let directory = OpenDirectory(name, in: parent) else { return depth < 64 }
    for entry in directory.names(most: left.files + 1) {
      var status = stat()
      guard fstatat(directory.descriptor, entry, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      left.files -= 1
      left.bytes -= Int(status.st_blocks) * 512
      guard left.files >= 0, left.bytes >= 0 else { return false }
      guard status.st_mode & S_IFMT == S_IFDIR else { continue }
      guard fits(entry, in: directory.descriptor, depth: depth + 1, left: &left) else { return false }
    }
    return true
  }

  /// Removes it with all that is in it, whatever modes, names and depths there are; the program has ended. Directories
  /// are moved up before they are removed, so that depth costs neither descriptors nor stack. No link is followed.
  func remove() {
    var renamed = 0
    while let top = OpenDirectory(Array(path.utf8CString), in: AT_FDCWD) {
      var hasProgress = false
      for name in top.names(most: .max) {
        if unlinkat(top.descriptor, name, 0) == 0 {
          hasProgress = true
          continue
        }
        fchmodat(top.descriptor, name, 0o700, 0)
        if let directory = OpenDirectory(name, in: top.descriptor) {
          for child in directory.names(most: .max) where unlinkat(directory.descriptor, child, 0) != 0 {
            renamed += 1
            fchmodat(directory.descriptor, child, 0o700, 0)
            renameat(directory.descriptor, child, top.descriptor, "shoal-\(renamed)")
          }
        }
        if unlinkat(top.descriptor, name, AT_REMOVEDIR) == 0 { hasProgress = true }
      }
      guard hasProgress else { break }
    }
    rmdir(path)
  }
}

/// A directory that was reached without following a link at its end.
private final class OpenDirectory {
  let descriptor: Int32

  /// - Parameter name: with its terminating zero.
  init?(_ name: [CChar], in parent: Int32) {
    descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    if descriptor < 0 { return nil }
  }

  deinit { close(descriptor) }

  /// Up to `most` names with their terminating zeros: bytes, since a name need not be text.
  func names(most: Int) -> [[CChar]] {
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = fdopendir(copy) else {
      if copy >= 0 { close(copy) }
      return []
    }
    defer { closedir(stream) }
    var names: [[CChar]] = []
    while names.count < most, let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        bytes.prefix { $0 != 0 }.map(CChar.init(bitPattern:)) + [0]
      }
      if name != [46, 0], name != [46, 46, 0] { names.append(name) }
    }
    return names
  }
}
