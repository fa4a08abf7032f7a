// The bytes of a data file: mapped, or unpacked when it is compressed with gzip. zlib unpacks: Foundation has
// nothing for it on Linux.

import CZlib
import Tensors

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A .jsonl or .json file, or either as .gz. The bytes live as long as the object.
final class DataFile: @unchecked Sendable {
  // Sendable because nothing changes the bytes.
  let bytes: UnsafeRawBufferPointer
  private let mapping: MappedFile?

  static func isData(_ path: String) -> Bool {
    let name = isCompressed(path) ? String(path.dropLast(3)) : path
    return name.hasSuffix(".jsonl") || name.hasSuffix(".json")
  }

  private static func isCompressed(_ path: String) -> Bool { path.hasSuffix(".gz") }

  /// - Throws: `FileError` when the file cannot be read; `CorpusError` when it is no data file by its name, or
  ///   not what gzip writes.
  init(path: String) throws {
    guard Self.isData(path) else {
      throw CorpusError.unusable(
        path: path, reason: "expected a .jsonl or .json file, also as .gz, or a directory of them")
    }
    let file = try MappedFile(path: path)
    guard Self.isCompressed(path) else {
      (bytes, mapping) = (file.bytes, file)
      return
    }
    // zlib hands plain bytes through.
    guard file.bytes.starts(with: [0x1F, 0x8B]) else {
      throw CorpusError.unusable(path: path, reason: "the name ends in .gz, but it is not compressed with gzip")
    }
    (bytes, mapping) = (try Self.unpacked(path), nil)
  }

  deinit {
    if mapping == nil { free(UnsafeMutableRawPointer(mutating: bytes.baseAddress)) }
  }

  private static func unpacked(_ path: String) throws -> UnsafeRawBufferPointer {
    guard let file = gzopen(path, "rb") else { throw FileError(path: path, action: "open", code: errno) }
    defer { gzclose_r(file) }
    gzbuffer(file, 1 << 18)
    var (base, count, capacity): (UnsafeMutableRawPointer?, Int, Int) = (nil, 0, 0)
    do {
      while true {
        if count == capacity {
          capacity = max(1 << 20, 2 * capacity)
          guard let larger = realloc(base, capacity) else {
            throw FileError(path: path, action: "unpack", code: ENOMEM)
          }
          base = larger
        }
        let read = gzread(file, base.map { $0 + count }, UInt32(min(capacity - count, 1 << 30)))
        count += max(0, Int(read))
        var status: Int32 = 0
        // A file that ends too early reads as if it ended; only the status tells.
        let text = gzerror(file, &status)
        guard status == Z_OK || status == Z_STREAM_END else {
          let reason = status == Z_ERRNO ? String(cString: strerror(errno)) : text.map { String(cString: $0) } ?? ""
          throw CorpusError.unusable(path: path, reason: "gzip: \(reason)")
        }
        if read == 0 { break }
      }
    } catch {
      free(base)
      throw error
    }
    return UnsafeRawBufferPointer(start: base, count: count)
  }
}
