// A parquet file: its footer is read at once, its rows as they are asked for.

import Tensors

/// A file of columns, mapped read-only.
///
/// Encodings and types: every one of the format's version 2. Codecs: uncompressed, snappy, gzip, zstd, brotli, lz4. Only
/// the columns that are asked for are looked at: what is wrong with the others, or cannot be read, is no error.
package final class ParquetFile: Sendable {
  let file: MappedFile
  let rowGroups: [RowGroup]
  let roots: [SchemaNode]
  package let rowCount: Int

  package var path: String { file.path }
  /// The names of the top-level columns, in the order of the file.
  package var columns: [String] { roots.map(\.element.name) }

  private static let mark = Array("PAR1".utf8)

  /// Maps `path` and reads its footer.
  /// - Throws: `FileError` if it cannot be mapped; `ParquetError` if it is no parquet file, or has a malformed footer.
  package init(path: String) throws {
    file = try MappedFile(path: path)
    do throws(ParquetFlaw) {
      let metadata = try FileMetadata(try Self.footer(file.bytes))
      (rowGroups, rowCount) = (metadata.rowGroups, metadata.rowCount)
      roots = try SchemaNode.roots(of: metadata.schema)
      let leaves = roots.last?.leaves.upperBound ?? 0
      for (number, group) in rowGroups.enumerated() where group.columns.count != leaves {
        throw ParquetFlaw(
          "row group \(number + 1) has \(group.columns.count) columns, expected \(leaves), as the schema has them")
      }
    } catch {
      throw error.error(path, at: "its footer")
    }
  }

  /// The bytes of the footer, which are before its length and the mark at the end.
  private static func footer(_ bytes: UnsafeRawBufferPointer) throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    guard bytes.count >= 12, bytes.starts(with: mark) || bytes.starts(with: Array("PARE".utf8)) else {
      throw ParquetFlaw("this is no parquet file: it does not begin with PAR1")
    }
    let end = bytes.suffix(4)
    guard !end.elementsEqual(Array("PARE".utf8)) else {
      throw ParquetFlaw("it is encrypted, which is not supported")
    }
    guard end.elementsEqual(mark) else {
      throw ParquetFlaw("the file does not end with PAR1: is it a download that was cut off?")
    }
    let length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt32.self))
    guard length <= bytes.count - 12 else {
      throw ParquetFlaw("it states a length of \(length) bytes, in a file of \(bytes.count)")
    }
    return UnsafeRawBufferPointer(rebasing: bytes[bytes.count - 8 - Int(length)..<bytes.count - 8])
  }
}
