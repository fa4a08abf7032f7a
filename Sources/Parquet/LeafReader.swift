// A leaf of the schema as a sequence of values with their levels, over all pages of a row group.

import Checkpoints
import Tensors

/// Reads one column chunk after the other. Only a page and a few decoded values are in memory.
final class LeafReader: FieldReader {
  /// Levels and values that are decoded at a time.
  private static let windowSize = 512

  let node: SchemaNode
  private let file: MappedFile
  private let kind: ValueKind
  private let maximumRepetition: UInt32
  private let maximumDefinition: UInt32
  private let buffer = PageBuffer()
  private let decompressor: Decompressor
  private let budget: RowBudget

  // The chunk.
  private var place = ""
  private var pages: ChunkPages?
  private var dictionary: [JSONValue]?
  /// Values and nulls of the chunk that are in no page yet.
  private var chunkLeft = 0
  // The page.
  private var page: DataPage?
  private var values: any PageValues = PlainBytes(UnsafeRawBufferPointer(start: nil, count: 0))
  /// Values and nulls of the page that are in no window yet.
  private var pageLeft = 0
  // The window: levels, and values that are not null.
  private let repetitions = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: windowSize)
  private let definitions = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: windowSize)
  private var index = 0
  private var count = 0
  private var cells: [JSONValue] = []
  private var cell = 0
  /// Values of the window that are not decoded yet.
  private var valuesLeft = 0

  init(
    _ node: SchemaNode, _ file: MappedFile, _ decompressor: Decompressor, _ budget: RowBudget
  ) throws(ParquetFlaw) {
    (self.node, self.file, self.decompressor, self.budget) = (node, file, decompressor, budget)
    kind = try ValueKind(node.element)
    (maximumRepetition, maximumDefinition) = (node.repetitionLevel, node.definitionLevel)
    repetitions.initialize(repeating: 0)
    definitions.initialize(repeating: 0)
  }

  deinit {
    repetitions.deallocate()
    definitions.deallocate()
  }

  /// Begins a row group.
  /// - Parameter place: the row group's name in messages.
  func open(_ chunk: ColumnChunk, at place: String) throws(ParquetError) {
    self.place = "\(place), column \(node.path)"
    close()
    do throws(ParquetFlaw) {
      guard !chunk.isEncrypted else { throw ParquetFlaw("it is encrypted, which is not supported") }
      guard !chunk.isElsewhere else { throw ParquetFlaw("its values are in another file, which is not supported") }
      guard chunk.type == node.element.type?.rawValue else {
        throw ParquetFlaw(
          "it is of type \(chunk.type ?? -1), expected \(node.element.type?.rawValue ?? -1), as the schema has it")
      }
      let codec = Codec(rawValue: chunk.codec)
      guard codec != nil || chunk.codec == 0 else {
        throw ParquetFlaw("it is compressed with an unknown codec, \(chunk.codec)")
      }
      guard let values = Int(exactly: chunk.valueCount), values >= 0 else {
        throw ParquetFlaw("it has \(chunk.valueCount) values")
      }
      chunkLeft = values
      pages = ChunkPages(
        file, try chunk.range(in: file.bytes.count), codec, maximumRepetition: maximumRepetition,
        maximumDefinition: maximumDefinition, buffer, decompressor)
    } catch {
      throw error.error(file.path, at: self.place)
    }
  }

  private func close() {
    pages?.release()
    (pages, page, dictionary) = (nil, nil, nil)
    (chunkLeft, pageLeft, index, count, cell, valuesLeft) = (0, 0, 0, 0, 0, 0)
    cells.removeAll(keepingCapacity: true)
  }

  /// Checks at the end of a row group that all values were read.
  func finish() throws(ParquetError) {
    guard !(try hasNext()) else { throw located(ParquetFlaw("it has more values than its row group has rows")) }
    close()
  }

  /// Whether every row has one value here, or one null.
  private var isFlat: Bool { maximumRepetition == 0 }

  /// Passes over `rows`; if the leaf is flat, over whole pages that have no other rows.
  func skip(rows: Int) throws(ParquetError) {
    var left = rows
    while left > 0 {
      if index == count, pageLeft == 0, chunkLeft > 0 {
        do throws(ParquetFlaw) { left -= try nextPage(passing: left) } catch { throw located(error) }
        if left == 0 { return }
      }
      budget.reset()
      try pass(at: 0)
      while !isFlat, try hasNext(), repetitions[index] > 0 { try pass(at: repetitions[index]) }
      left -= 1
    }
  }

  private func pass(at repetition: UInt32) throws(ParquetError) {
    if try entry(at: repetition) == maximumDefinition { _ = try value() }
  }

  // MARK: Values

  func definition() throws(ParquetError) -> UInt32 {
    guard try hasNext() else { throw endsEarly }
    // Asked for once by every list and struct.
    try addValue()
    return definitions[index]
  }

  func continues(at repetition: UInt32) throws(ParquetError) -> Bool {
    guard try hasNext() else { return false }
    return repetitions[index] >= repetition
  }

  func read(at repetition: UInt32) throws(ParquetError) -> JSONValue {
    let definition = try entry(at: repetition)
    if definition == maximumDefinition { return try value() }
    guard node.element.repetition == .optional, definition == maximumDefinition - 1 else { throw disagreement }
    return .null
  }

  func skip(at repetition: UInt32, definition: UInt32) throws(ParquetError) {
    guard try entry(at: repetition) == definition, definition < maximumDefinition else { throw disagreement }
  }

  /// The definition level of the next value, which is taken.
  private func entry(at repetition: UInt32) throws(ParquetError) -> UInt32 {
    guard try hasNext() else { throw endsEarly }
    guard repetitions[index] == repetition else { throw disagreement }
    try addValue()
    index += 1
    return definitions[index - 1]
  }

  @inline(__always)
  private func addValue() throws(ParquetError) {
    do throws(ParquetFlaw) { try budget.addValue() } catch { throw located(error) }
  }

  /// The next value that is not null.
  private func value() throws(ParquetError) -> JSONValue {
    if cell == cells.count {
      cells.removeAll(keepingCapacity: true)
      cell = 0
      do throws(ParquetFlaw) {
        budget.addTexts(bytes: try values.append(valuesLeft, as: kind, to: &cells))
      } catch {
        throw located(error)
      }
      valuesLeft -= cells.count
    }
    cell += 1
    return exchange(&cells[cell - 1], with: .null)
  }

  // MARK: Windows and pages

  /// Makes sure that the window has a next value; false at the end of the chunk.
  @inline(__always)
  private func hasNext() throws(ParquetError) -> Bool {
    if index < count { return true }
    return try refill()
  }

  private func refill() throws(ParquetError) -> Bool {
    do throws(ParquetFlaw) {
      while pageLeft == 0 {
        guard chunkLeft > 0 else { return false }
        _ = try nextPage()
      }
      try nextWindow()
    } catch {
      throw located(error)
    }
    return true
  }

  private func nextWindow() throws(ParquetFlaw) {
    let size = min(pageLeft, Self.windowSize)
    try page?.repetitions.fill(UnsafeMutableBufferPointer(rebasing: repetitions[..<size]))
    try page?.definitions.fill(UnsafeMutableBufferPointer(rebasing: definitions[..<size]))
    pageLeft -= size
    (index, count) = (0, size)
    var present = 0
    for level in definitions[..<size] where level == maximumDefinition { present += 1 }
    valuesLeft = present
    cell = cells.count
  }

  /// Reads the next data page, and the dictionary if it comes before.
  ///
  /// Pages of a flat leaf whose values are among the next `rows` are passed over; if they are just these, no page is
  /// read.
  /// - Returns: the rows that were passed over.
  private func nextPage(passing rows: Int = 0) throws(ParquetFlaw) -> Int {
    var passed = 0
    while passed < rows || passed == 0 {
      guard let header = try pages?.nextHeader() else {
        throw ParquetFlaw("its pages end, but \(chunkLeft) values are left")
      }
      switch header.kind {
      case .index: pages?.skip(header)
      case .dictionary:
        guard dictionary == nil else { throw ParquetFlaw("it has two dictionaries") }
        guard let bytes = try pages?.dictionary(header) else { break }
        dictionary = try PageEncoding.dictionary(bytes, header, of: node.element, as: kind)
        budget.addDictionary(bytes: bytes.count)
      case .data, .dataOfVersion2:
        guard header.valueCount <= chunkLeft else {
          throw ParquetFlaw("a page of \(header.valueCount) values, but \(chunkLeft) are left in its row group")
        }
        chunkLeft -= header.valueCount
        if isFlat, header.valueCount <= rows - passed {
          passed += header.valueCount
          pages?.skip(header)
        } else if let page = try pages?.data(header) {
          values = try PageEncoding.values(
            page.values, encoding: page.encoding, of: node.element, dictionary: dictionary)
          (self.page, pageLeft) = (page, page.valueCount)
          return passed
        }
      }
    }
    return passed
  }

  // MARK: Errors

  private func located(_ flaw: ParquetFlaw) -> ParquetError {
    flaw.error(file.path, at: place + (pages.map { ", page at byte \($0.pageStart)" } ?? ""))
  }

  private var endsEarly: ParquetError { located(ParquetFlaw("it has fewer values than its row group has rows")) }

  var disagreement: ParquetError {
    located(ParquetFlaw("its levels do not fit the schema or the columns beside it"))
  }
}
