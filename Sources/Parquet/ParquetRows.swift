// The rows of a file, read a few at a time: memory is bounded by pages, never by row groups or the file.

package import Checkpoints

extension ParquetFile {
  /// The rows from `row` on, in the order of the file.
  /// - Parameter columns: the top-level columns that are read; names that the file lacks are passed over. nil: all.
  /// - Throws: `ParquetError` if one of the columns has a type that cannot be read, or if the file is damaged before
  ///   `row`.
  package func rows(columns: Set<String>? = nil, from row: Int = 0) throws(ParquetError) -> ParquetRows {
    try ParquetRows(self, columns: columns, from: row)
  }
}

/// A walk over the rows of a `ParquetFile`. Several walks over one file may run side by side.
package final class ParquetRows {
  /// A top-level column that is read.
  private struct Column {
    let name: String
    let reader: any FieldReader
    let leaves: [LeafReader]
    /// Where its leaves' chunks are in a row group.
    let chunks: Range<Int>
  }

  /// Values beyond these bytes end a batch.
  private static let batchBytes = 16 << 20
  /// Rows that are read column by column.
  private static let blockRows = 8

  private let file: ParquetFile
  private let columns: [Column]
  private let names: [String]
  private let budget = RowBudget()
  private var group = -1
  /// Rows of the row group that are left.
  private var left = 0

  init(_ file: ParquetFile, columns wanted: Set<String>?, from row: Int) throws(ParquetError) {
    self.file = file
    let decompressor = Decompressor()
    var columns: [Column] = []
    var seen: Set<[UInt8]> = []
    for node in file.roots where wanted?.contains(node.element.name) ?? true {
      do throws(ParquetFlaw) {
        // Swift takes composed and decomposed letters for equal; these names are different ones.
        guard seen.insert(Array(node.element.name.utf8)).inserted else {
          throw ParquetFlaw("there are two columns of this name")
        }
        var assembly = RecordAssembly { [budget] (node) throws(ParquetFlaw) in
          try LeafReader(node, file.file, decompressor, budget)
        }
        let reader = try assembly.reader(of: node)
        columns.append(
          Column(name: node.element.name, reader: reader, leaves: assembly.leaves, chunks: node.leaves))
      } catch {
        throw error.error(file.path, at: "column \(node.path)")
      }
    }
    (self.columns, names) = (columns, columns.map(\.name))
    try skip(rows: row)
  }

  /// The next rows as objects with a member per column; nil after the last.
  ///
  /// Values are those of pyarrow's `to_pylist`, in JSON: dates and times are texts as Python's isoformat writes them, those
  /// of a known zone in UTC; decimals and integers beyond 64 bits are the nearest fp64; bytes are texts if they are valid
  /// UTF-8; maps are objects, or lists of pairs if their keys are no texts.
  /// - Parameter maximum: how many at most; there are fewer at the end, or if their values fill 16 MiB.
  /// - Throws: `ParquetError` with row group and column. What is wrong in a value alone, such as bytes that are no text,
  ///   is `JSONValue.unusable` instead.
  package func next(_ maximum: Int) throws(ParquetError) -> [JSONValue]? {
    guard try enterGroup() else { return nil }
    var rows: [JSONValue] = []
    rows.reserveCapacity(min(maximum, left, 4096))
    let start = budget.decodedBytes
    repeat {
      // Of large rows one at a time, so that the limit is one row's.
      let count = min(maximum - rows.count, left, budget.isAmple ? Self.blockRows : 1)
      budget.reset()
      try appendBlock(of: count, to: &rows)
      left -= count
      guard rows.count < maximum, budget.decodedBytes - start < Self.batchBytes else { break }
    } while try enterGroup()
    return rows
  }

  /// Memory of the values that were read, and of dictionaries.
  package var decodedBytes: Int { budget.decodedBytes }

  /// Reads some rows column by column, so that what a column needs stays near.
  private func appendBlock(of count: Int, to rows: inout [JSONValue]) throws(ParquetError) {
    var blocks: [[JSONValue]] = []
    for column in columns {
      var block: [JSONValue] = []
      block.reserveCapacity(count)
      for _ in 0..<count { block.append(try column.reader.read(at: 0)) }
      blocks.append(block)
    }
    for row in 0..<count {
      var members: [JSONValue.Member] = []
      members.reserveCapacity(names.count)
      // Taken, not copied: a copy counts references, which costs more than the rest of this loop.
      for (column, name) in names.enumerated() {
        members.append(JSONValue.Member(name, exchange(&blocks[column][row], with: .null)))
      }
      rows.append(.object(members))
    }
  }

  /// Goes on to the next row group that has rows, if the current one has no more; false after the last.
  private func enterGroup() throws(ParquetError) -> Bool {
    while left == 0 {
      try finishGroup()
      guard group + 1 < file.rowGroups.count else { return false }
      group += 1
      left = file.rowGroups[group].rowCount
      if left > 0 { try open() }
    }
    return true
  }

  private func finishGroup() throws(ParquetError) {
    for column in columns { for leaf in column.leaves { try leaf.finish() } }
  }

  private func open() throws(ParquetError) {
    let place = "row group \(group + 1) of \(file.rowGroups.count)"
    for column in columns {
      for (leaf, chunk) in zip(column.leaves, file.rowGroups[group].columns[column.chunks]) {
        try leaf.open(chunk, at: place)
      }
    }
  }

  /// Passes over rows at the start: over whole row groups, then pages.
  private func skip(rows: Int) throws(ParquetError) {
    var rows = min(rows, file.rowCount)
    while group + 1 < file.rowGroups.count, rows >= file.rowGroups[group + 1].rowCount {
      group += 1
      rows -= file.rowGroups[group].rowCount
    }
    guard rows > 0, try enterGroup() else { return }
    for column in columns { for leaf in column.leaves { try leaf.skip(rows: rows) } }
    left -= rows
  }
}
