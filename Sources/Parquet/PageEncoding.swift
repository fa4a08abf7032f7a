// Chooses how the values of a page are decoded, by its encoding and its column's type.

import Checkpoints

/// Parquet's encodings of values, by their numbers in parquet.thrift.
enum PageEncoding: Int64 {
  case plain = 0
  case plainDictionary = 2
  case rle = 3
  case deltaBinaryPacked = 5
  case deltaLengthByteArray, deltaByteArray, rleDictionary, byteStreamSplit

  private static let maximumDictionary = 1 << 22

  /// The values in `bytes`.
  /// - Parameter dictionary: of the chunk; nil: there was none.
  static func values(
    _ bytes: UnsafeRawBufferPointer, encoding: Int64, of element: SchemaElement, dictionary: [JSONValue]?
  ) throws(ParquetFlaw) -> any PageValues {
    guard let known = Self(rawValue: encoding) else { throw ParquetFlaw("values in an unknown encoding, \(encoding)") }
    guard let type = element.type else { throw ParquetFlaw("a group has no values") }
    // A page of nulls may have no bytes at all.
    if bytes.isEmpty { return PlainBytes(bytes) }
    switch (known, type) {
    case (.plain, _): return plain(bytes, type, element.typeLength)
    case (.plainDictionary, _), (.rleDictionary, _):
      guard let dictionary else { throw ParquetFlaw("a page refers to a dictionary, but there is none") }
      return try DictionaryValues(bytes, dictionary)
    case (.rle, .boolean): return try RunBools(bytes)
    case (.deltaBinaryPacked, .int32): return try DeltaShortNumbers(bytes)
    case (.deltaBinaryPacked, .int64): return try DeltaNumbers(bytes)
    case (.deltaLengthByteArray, .byteArray): return try DeltaLengthBytes(bytes)
    case (.deltaByteArray, .byteArray): return try DeltaBytes(bytes)
    case (.deltaByteArray, .fixedLengthByteArray):
      return OneLength(values: try DeltaBytes(bytes), width: element.typeLength)
    case (.byteStreamSplit, .float), (.byteStreamSplit, .int32): return try SplitNumbers(bytes, width: 4)
    case (.byteStreamSplit, .double), (.byteStreamSplit, .int64): return try SplitNumbers(bytes, width: 8)
    case (.byteStreamSplit, .fixedLengthByteArray): return try SplitBytes(bytes, width: element.typeLength)
    default: throw ParquetFlaw("values of type \(type) in encoding \(known)")
    }
  }

  /// The dictionary in `bytes`.
  static func dictionary(
    _ bytes: UnsafeRawBufferPointer, _ header: PageHeader, of element: SchemaElement, as kind: ValueKind
  ) throws(ParquetFlaw) -> [JSONValue] {
    guard header.encoding == plain.rawValue || header.encoding == plainDictionary.rawValue else {
      throw ParquetFlaw("a dictionary in encoding \(header.encoding), expected PLAIN (0) or PLAIN_DICTIONARY (2)")
    }
    guard header.valueCount <= maximumDictionary else {
      throw ParquetFlaw("a dictionary of \(header.valueCount) values, expected at most \(maximumDictionary)")
    }
    guard let type = element.type else { throw ParquetFlaw("a group has no values") }
    var values = plain(bytes, type, element.typeLength)
    var dictionary: [JSONValue] = []
    dictionary.reserveCapacity(min(header.valueCount, 8 * bytes.count))
    while dictionary.count < header.valueCount {
      _ = try values.append(header.valueCount - dictionary.count, as: kind, to: &dictionary)
    }
    return dictionary
  }

  private static func plain(_ bytes: UnsafeRawBufferPointer, _ type: PhysicalType, _ width: Int) -> any PageValues {
    switch type {
    case .boolean: PlainBools(bytes)
    case .int32, .float: PlainNumbers<Int32>(bytes)
    case .int64, .double: PlainNumbers<Int64>(bytes)
    case .int96: PlainFixedBytes(bytes, width: 12)
    case .byteArray: PlainBytes(bytes)
    case .fixedLengthByteArray: PlainFixedBytes(bytes, width: width)
    }
  }
}

/// Values that must all have one length.
private struct OneLength: ByteValues {
  var values: DeltaBytes
  let width: Int

  mutating func next() throws(ParquetFlaw) -> UnsafeRawBufferPointer {
    let bytes = try values.next()
    guard bytes.count == width else { throw ParquetFlaw("a value of \(bytes.count) bytes, expected \(width)") }
    return bytes
  }
}
