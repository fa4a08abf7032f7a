// Read-only file mappings: all ranks of a node share one copy of the frozen weights in the page cache.

internal import CShoal
import Glibc

/// A file mapped read-only and shared. The mapping lives as long as the object.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  package let bytes: UnsafeRawBufferPointer

  /// What a clone has in place of large files if Git LFS is not installed.
  private static let pointerStart = Array("version https://git-lfs.github.com/spec/".utf8)

  /// Maps all of `path`.
  /// - Throws: `FileError` if the file cannot be opened, is not a regular file, is empty, is a pointer of Git LFS or cannot be mapped.
  package init(path: String) throws {
    // O_NONBLOCK: opening a named pipe would otherwise wait forever.
    let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw FileError(path: path, action: "read the status of", code: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      throw FileError(
        path: path, action: isDirectory ? "map" : "map (it is no regular file)", code: isDirectory ? EISDIR : EINVAL)
    }
    let count = Int(status.st_size)
    guard count > 0 else { throw FileError(path: path, action: "read", code: EINVAL, reason: "it is empty") }
    guard let base = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED
    else { throw FileError(path: path, action: "map", code: errno) }
    self.path = path
    bytes = UnsafeRawBufferPointer(start: base, count: count)
    guard count > 1024 || !bytes.starts(with: Self.pointerStart) else {
      munmap(base, count)
      throw FileError(
        path: path, action: "read", code: EINVAL,
        reason: "it is Git LFS's pointer to a file, not the file: `git lfs pull` brings that")
    }
    shoal_mapping_add(base, Int64(count), path)
  }

  /// Releases the whole pages of `part`; the next access reads them again.
  package func release(_ part: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, let start = part.baseAddress else { return }
    let page = Int(getpagesize())
    let first = (start - base + page - 1) / page * page
    let end = (start - base + part.count) / page * page
    if first < end { madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED) }
  }

  /// Ends the process with a message instead of a bare SIGBUS if a mapped file is shortened while in use.
  /// - Parameter prefix: the start of the message.
  package static func watchForTruncation(prefix: String, exitCode: Int32) { shoal_mapping_watch(prefix, exitCode) }

  deinit {
    shoal_mapping_remove(bytes.baseAddress)
    munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
  }
}
