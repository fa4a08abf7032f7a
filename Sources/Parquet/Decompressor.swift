// Unpacks pages: the codecs of parquet, by the system's libraries.

import CBrotli
import CLZ4
import CSnappy
import CZlib
import CZstd

/// How a chunk is compressed, by its number in parquet.thrift; 0 is not at all.
enum Codec: Int64 {
  case snappy = 1
  case gzip, lzo, brotli, lz4, zstd, lz4Raw
}

final class Decompressor {
  /// Made for the first page of zstd.
  private var zstd: OpaquePointer?

  /// Fills all of `output` with the unpacked `input`.
  /// - Throws: if the data are damaged, or unpack to another size.
  func unpack(
    _ input: UnsafeRawBufferPointer, _ codec: Codec, to output: UnsafeMutableRawBufferPointer
  ) throws(ParquetFlaw) {
    let count: Int? =
      switch codec {
      case .lzo: throw ParquetFlaw("it is compressed with LZO, which is not supported: write it with zstd or snappy")
      case .snappy: snappy(input, to: output)
      case .gzip: gzip(input, to: output)
      case .brotli: brotli(input, to: output)
      case .zstd: zstd(input, to: output)
      case .lz4Raw: lz4(input, to: output)
      case .lz4: lz4Blocks(input, to: output) ?? lz4(input, to: output)
      }
    guard let count else { throw ParquetFlaw("its \(codec) data are damaged") }
    guard count == output.count else {
      throw ParquetFlaw("its \(codec) data unpack to \(count) bytes, expected \(output.count)")
    }
  }

  private func snappy(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    let source = input.assumingMemoryBound(to: CChar.self)
    var count = 0
    guard snappy_uncompressed_length(source.baseAddress, source.count, &count) == SNAPPY_OK else { return nil }
    guard count == output.count else { return count }
    let target = output.assumingMemoryBound(to: CChar.self)
    return snappy_uncompress(source.baseAddress, source.count, target.baseAddress, &count) == SNAPPY_OK ? count : nil
  }

  private func zstd(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    if zstd == nil { zstd = ZSTD_createDCtx() }
    let count = ZSTD_decompressDCtx(zstd, output.baseAddress, output.count, input.baseAddress, input.count)
    return ZSTD_isError(count) == 0 ? count : nil
  }

  private func brotli(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    var count = output.count
    let result = BrotliDecoderDecompress(
      input.count, input.assumingMemoryBound(to: UInt8.self).baseAddress, &count,
      output.assumingMemoryBound(to: UInt8.self).baseAddress)
    return result == BROTLI_DECODER_RESULT_SUCCESS ? count : nil
  }

  private func lz4(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    guard let source = Int32(exactly: input.count), let target = Int32(exactly: output.count) else { return nil }
    let count = LZ4_decompress_safe(
      input.assumingMemoryBound(to: CChar.self).baseAddress, output.assumingMemoryBound(to: CChar.self).baseAddress,
      source, target)
    return count >= 0 ? Int(count) : nil
  }

  /// Hadoop's form of lz4: blocks, each after its two sizes as big-endian numbers.
  private func lz4Blocks(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    var (position, count) = (0, 0)
    while position < input.count {
      guard input.count - position >= 8 else { return nil }
      let sizes = [0, 4].map {
        Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: position + $0, as: UInt32.self)))
      }
      position += 8
      guard sizes[0] <= output.count - count, sizes[1] <= input.count - position else { return nil }
      let block = UnsafeRawBufferPointer(rebasing: input[position..<position + sizes[1]])
      let target = UnsafeMutableRawBufferPointer(rebasing: output[count..<count + sizes[0]])
      guard lz4(block, to: target) == sizes[0] else { return nil }
      position += sizes[1]
      count += sizes[0]
    }
    return count
  }

  /// gzip or zlib, one member after the other.
  private func gzip(_ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer) -> Int? {
    guard let available = UInt32(exactly: input.count), let room = UInt32(exactly: output.count) else { return nil }
    var stream = z_stream()
    // 15 bits of window; 32 more find out whether the header is gzip's or zlib's.
    guard inflateInit2_(&stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: input.assumingMemoryBound(to: Bytef.self).baseAddress)
    stream.avail_in = available
    stream.next_out = output.assumingMemoryBound(to: Bytef.self).baseAddress
    stream.avail_out = room
    while stream.avail_in > 0 {
      guard inflate(&stream, Z_FINISH) == Z_STREAM_END else { return nil }
      if stream.avail_in > 0 { inflateReset(&stream) }
    }
    return output.count - Int(stream.avail_out)
  }

  deinit { ZSTD_freeDCtx(zstd) }
}
