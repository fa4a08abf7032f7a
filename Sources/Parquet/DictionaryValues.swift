// Values as indices into the chunk's dictionary, whose texts exist once.

import Checkpoints

struct DictionaryValues: PageValues {
  private let dictionary: [JSONValue]
  private var indices: RLEHybrid

  init(_ bytes: UnsafeRawBufferPointer, _ dictionary: [JSONValue]) throws(ParquetFlaw) {
    var cursor = ByteCursor(bytes)
    let width = Int(try cursor.byte())
    (self.dictionary, indices) = (dictionary, try RLEHybrid(cursor.rest, bitWidth: width))
  }

  mutating func append(
    _ count: Int, as kind: ValueKind, to cells: inout [JSONValue]
  ) throws(ParquetFlaw) -> Int {
    let result = withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { buffer in
      Result { () throws(ParquetFlaw) in
        buffer.initialize(repeating: 0)
        try indices.fill(buffer)
        for index in buffer {
          guard index < dictionary.count else {
            throw ParquetFlaw("index \(index) of a dictionary of \(dictionary.count) values")
          }
          cells.append(dictionary[Int(index)])
        }
      }
    }
    try result.get()
    return 0
  }
}
