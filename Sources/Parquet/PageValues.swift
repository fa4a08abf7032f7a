// The values of a page, whatever their encoding: decoded a few at a time, as JSON.

import Checkpoints

/// Decodes the values of one page in their order.
protocol PageValues {
  /// Appends the next values: `count` of them, or fewer if they fill `PageValuesLimit.bytes`, but at least one.
  /// - Returns: the bytes of their texts.
  mutating func append(
    _ count: Int, as kind: ValueKind, to cells: inout [JSONValue]
  ) throws(ParquetFlaw) -> Int
}

enum PageValuesLimit {
  /// Prefixes that values share can make gigabytes of a small page.
  static let bytes = 4 << 20
}

/// Values of at most 64 bits: bools, numbers, the bits of floats.
protocol NumberValues: PageValues {
  mutating func next() throws(ParquetFlaw) -> Int64
}

extension NumberValues {
  mutating func append(
    _ count: Int, as kind: ValueKind, to cells: inout [JSONValue]
  ) throws(ParquetFlaw) -> Int {
    for _ in 0..<count { cells.append(kind.json(try next())) }
    return 0
  }
}

/// Values that are bytes. They are valid until the next one.
protocol ByteValues: PageValues {
  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer
}

extension ByteValues {
  mutating func append(
    _ count: Int, as kind: ValueKind, to cells: inout [JSONValue]
  ) throws(ParquetFlaw) -> Int {
    var total = 0
    for _ in 0..<count {
      let bytes = try next()
      cells.append(kind.json(bytes))
      total += bytes.count
      if total >= PageValuesLimit.bytes { break }
    }
    return total
  }
}
