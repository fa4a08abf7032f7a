// The bytes of a data file: mapped, or unpacked if it is a gzip file. zlib unpacks it, since Foundation cannot on
// Linux.

import CZlib
import Glibc
import Tensors

/// A .jsonl, .ndjson or .json file, or any of them as .gz. The bytes live as long as the object.
final class DataFile: @unchecked Sendable {
  // Sendable because the bytes never change.
  let bytes: UnsafeRawBufferPointer
  private let mapping: MappedFile?

  /// Half of the free memory: a few kilobytes can unpack to more than any machine has.
  static var maximumUnpackedBytes: Int { (ProcessMemory.availableBytes ?? 32 << 30) / 2 }

  static func isData(_ path: String) -> Bool {
    let name = isCompressed(path) ? String(path.dropLast(3)) : path
    return [".jsonl", ".ndjson", ".json"].contains(where: name.lowercased().hasSuffix)
  }

  /// For messages.
  static let names = ".jsonl, .ndjson or .json"

  private static func isCompressed(_ path: String) -> Bool { path.lowercased().hasSuffix(".gz") }

  /// - Throws: `FileError` if the file cannot be read; `CorpusError` if its name is not that of a data file, or if its
  ///   gzip data is invalid.
  init(path: String, maximumUnpackedBytes: Int) throws {
    guard Self.isData(path) else {
      throw CorpusError.unusable(
        path: path, reason: "expected a \(Self.names) file, also as .gz, or a directory of them")
    }
    let file = try MappedFile(path: path)
    guard Self.isCompressed(path) else {
      (bytes, mapping) = (file.bytes, file)
      return
    }
    (bytes, mapping) = (try Self.unpacked(file, maximumUnpackedBytes), nil)
  }

  deinit { if mapping == nil { free(UnsafeMutableRawPointer(mutating: bytes.baseAddress)) } }

  /// Unpacks all members of a gzip file: parallel packers and `cat` write several in one file. Zeros after a member are
  /// padding, as gzip and Python have it: of a tape, or of a file that was given its size beforehand.
  private static func unpacked(_ file: MappedFile, _ maximumBytes: Int) throws -> UnsafeRawBufferPointer {
    var stream = z_stream()
    // 15 bits of window; 16 more mean gzip's header and checksum.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw FileError(path: file.path, action: "unpack", code: ENOMEM)
    }
    defer { inflateEnd(&stream) }
    var (base, count, capacity): (UnsafeMutableRawPointer?, Int, Int) = (nil, 0, 0)
    var consumed = 0
    var status = Z_OK
    do {
      repeat {
        if count == capacity {
          guard count < maximumBytes else {
            throw CorpusError.unusable(
              path: file.path,
              reason:
                "it unpacks to more than \(ByteCount.text(maximumBytes)), half of the free memory: gunzip it first, "
                + "a plain file needs none")
          }
          capacity = min(max(1 << 14, 2 * capacity), maximumBytes)
          guard let larger = realloc(base, capacity) else {
            throw FileError(path: file.path, action: "unpack", code: ENOMEM)
          }
          base = larger
        }
        let input = file.bytes[consumed...].prefix(1 << 30)
        let room = min(capacity - count, 1 << 30)
        stream.next_in = UnsafeMutableRawPointer(mutating: UnsafeRawBufferPointer(rebasing: input).baseAddress)?
          .assumingMemoryBound(to: Bytef.self)
        stream.avail_in = UInt32(input.count)
        stream.next_out = base?.advanced(by: count).assumingMemoryBound(to: Bytef.self)
        stream.avail_out = UInt32(room)
        if status == Z_STREAM_END { inflateReset(&stream) }
        status = inflate(&stream, Z_NO_FLUSH)
        consumed += input.count - Int(stream.avail_in)
        count += room - Int(stream.avail_out)
        guard status == Z_OK || status == Z_STREAM_END else {
          let reason = status == Z_BUF_ERROR ? "ends too early" : "is damaged before byte \(consumed)"
          throw CorpusError.unusable(path: file.path, reason: "the gzip data \(reason)")
        }
        if status == Z_STREAM_END {
          consumed += file.bytes[consumed...].prefix { $0 == 0 }.count
        }
      } while consumed < file.bytes.count || status != Z_STREAM_END
    } catch {
      free(base)
      throw error
    }
    return UnsafeRawBufferPointer(start: base, count: count)
  }
}
