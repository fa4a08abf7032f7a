// The bytes of a data file, unpacked piece by piece, so that a packed file takes no more memory than its longest record.

import CZlib
import CZstd
import Glibc
import Tensors

/// Unpacks a file from its beginning to its end.
final class ByteSource: @unchecked Sendable {
  // Sendable because one reader has it.
  private let file: MappedFile
  private let packing: DataFormat.Packing
  private var consumed = 0
  private var gzip = z_stream()
  private var zstd: OpaquePointer?
  /// Whether a member or frame is not complete.
  private var isOpen = true

  /// - Throws: `FileError` if there is no memory.
  init(_ file: MappedFile, _ packing: DataFormat.Packing) throws {
    (self.file, self.packing) = (file, packing)
    switch packing {
    case .gzip:
      // 15 bits of window; 16 more mean gzip's header and checksum.
      guard inflateInit2_(&gzip, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw FileError(path: file.path, action: "unpack", code: ENOMEM)
      }
    case .zstd:
      guard let stream = ZSTD_createDStream() else {
        throw FileError(path: file.path, action: "unpack", code: ENOMEM)
      }
      zstd = stream
      // 128 MiB, the largest window that zstd itself accepts without --long.
      ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27)
    }
  }

  deinit {
    switch packing {
    case .gzip: inflateEnd(&gzip)
    case .zstd: ZSTD_freeDStream(zstd)
    }
  }

  /// Fills a buffer as far as the file goes.
  /// - Returns: the number of bytes; 0 at the end of the file.
  /// - Throws: `CorpusError` if the data are damaged.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var count = 0
    while count < buffer.count, isOpen || consumed < file.bytes.count {
      let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...].prefix(1 << 30))
      count += packing == .gzip ? try inflate(into: room) : try decompress(into: room)
    }
    file.release(UnsafeRawBufferPointer(rebasing: file.bytes[..<consumed]))
    return count
  }

  private func damage(_ reason: String) -> CorpusError {
    CorpusError.unusable(path: file.path, reason: "the \(packing) data \(reason)")
  }

  /// Unpacks all members of a gzip file: parallel packers and `cat` write several in one file. Zeros after a member are
  /// padding, as gzip and Python have it: of a tape, or of a file that was given its size beforehand.
  private func inflate(into room: UnsafeMutableRawBufferPointer) throws -> Int {
    if !isOpen {
      consumed += file.bytes[consumed...].prefix { $0 == 0 }.count
      guard consumed < file.bytes.count else { return 0 }
      inflateReset(&gzip)
      isOpen = true
    }
    let input = UnsafeRawBufferPointer(rebasing: file.bytes[consumed...].prefix(1 << 30))
    gzip.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: Bytef.self)
    gzip.avail_in = UInt32(input.count)
    gzip.next_out = room.baseAddress?.assumingMemoryBound(to: Bytef.self)
    gzip.avail_out = UInt32(room.count)
    let status = CZlib.inflate(&gzip, Z_NO_FLUSH)
    let made = room.count - Int(gzip.avail_out)
    consumed += input.count - Int(gzip.avail_in)
    guard status == Z_OK || status == Z_STREAM_END else {
      throw damage(status == Z_BUF_ERROR ? "ends too early" : "is damaged before byte \(consumed)")
    }
    if status == Z_STREAM_END { isOpen = false }
    return made
  }

  /// Unpacks all frames of a zstd file.
  private func decompress(into room: UnsafeMutableRawBufferPointer) throws -> Int {
    var output = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
    var input = ZSTD_inBuffer(src: file.bytes.baseAddress, size: file.bytes.count, pos: consumed)
    let before = consumed
    let result = ZSTD_decompressStream(zstd, &output, &input)
    guard ZSTD_isError(result) == 0 else {
      throw damage("is damaged near byte \(input.pos): \(String(cString: ZSTD_getErrorName(result)))")
    }
    consumed = input.pos
    // 0 is the end of a frame; another number asks for more input.
    isOpen = result != 0
    if isOpen, consumed == before, output.pos == 0 { throw damage("ends too early") }
    return output.pos
  }
}
