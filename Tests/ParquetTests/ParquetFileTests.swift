// Files of pyarrow and by hand, against the rows that pyarrow reads from them (Tests/Fixtures/parquet_files.py).

import Checkpoints
import Foundation
import Parquet
import Tensors
import TestSupport
import Testing

struct ParquetFileTests {
  /// rows.json: rows or errors by the name of a file.
  private static let expected: JSONValue = {
    let bytes = (try? Data(contentsOf: URL(fileURLWithPath: path("rows.json")))) ?? Data()
    return (try? JSONValue.parse(Array(bytes), by: .data)) ?? .null
  }()

  static let files = expected["files"]?.members?.map(\.name) ?? []
  static let bad = expected["bad"]?.members?.map(\.name) ?? []

  private static func path(_ name: String) -> String { Repository.fixture("parquet/\(name)") }

  private static func rows(_ name: String) throws -> [JSONValue] {
    let entry = try #require(expected["files"]?[name])
    return try #require(entry.array ?? entry.string.flatMap { expected["files"]?[$0]?.array })
  }

  private static func read(
    _ name: String, columns: Set<String>? = nil, from row: Int = 0, by batch: Int = 1000
  ) throws -> [JSONValue] {
    let rows = try ParquetFile(path: path(name)).rows(columns: columns, from: row)
    var all: [JSONValue] = []
    while let next = try rows.next(batch) {
      #expect(!next.isEmpty && next.count <= batch)
      all += next
    }
    return all
  }

  /// Equal, where NaN is NaN, and what has no JSON form is that for whatever reason.
  private static func same(_ left: JSONValue, _ right: JSONValue) -> Bool {
    switch (left, right) {
    case (.number(let left), .number(let right)): left.bitPattern == right.bitPattern || left.isNaN && right.isNaN
    case (.unusable, .unusable): true
    case (.array(let left), .array(let right)): left.count == right.count && zip(left, right).allSatisfy(same)
    case (.object(let left), .object(let right)):
      left.map(\.name) == right.map(\.name) && zip(left, right).allSatisfy { same($0.value, $1.value) }
    default: left == right
    }
  }

  @Test(arguments: files) func `rows are those that pyarrow reads`(name: String) throws {
    let (found, expected) = (try Self.read("\(name).parquet"), try Self.rows(name))
    #expect(found.count == expected.count)
    for (row, (found, expected)) in zip(found, expected).enumerated() {
      for (found, expected) in zip(found.members ?? [], expected.members ?? []) {
        #expect(
          found.name == expected.name && Self.same(found.value, expected.value),
          "row \(row), \(found.name): \(found.value), expected \(expected.value)")
      }
      #expect(Self.same(found, expected))
    }
  }

  @Test func `there are fixtures`() {
    #expect(Self.files.count > 20)
    #expect(Self.bad.count > 50)
  }

  @Test(arguments: files) func `a walk may begin anywhere and take any steps`(name: String) throws {
    let rows = try Self.rows(name)
    let places = rows.count < 20 ? Array(0...rows.count + 1) : [0, 1, 69, 70, 71, 139, 169, 170, 250, 299, 300, 301]
    for start in places {
      for batch in [1, 7, 1000] where batch > 1 || start > rows.count - 20 {
        let found = try Self.read("\(name).parquet", from: start, by: batch)
        #expect(found.count == max(0, rows.count - start))
        #expect(zip(found, rows.dropFirst(start)).allSatisfy(Self.same), "from row \(start), by \(batch)")
      }
    }
  }

  @Test(arguments: ["many", "nested", "flat", "old-lists"]) func `any column may be read alone`(name: String) throws {
    let (file, rows) = (try ParquetFile(path: Self.path("\(name).parquet")), try Self.rows(name))
    #expect(file.rowCount == rows.count)
    #expect(file.columns == rows[0].members?.map(\.name))
    for column in file.columns {
      let found = try Self.read("\(name).parquet", columns: [column, "no such column"], from: 1)
      let expected = rows.dropFirst().map { JSONValue.object([JSONValue.Member(column, $0[column] ?? .null)]) }
      #expect(found.count == expected.count && zip(found, expected).allSatisfy(Self.same), "\(column)")
    }
    #expect(try Self.read("\(name).parquet", columns: []) == rows.map { _ in [:] })
  }

  @Test func `long texts end a batch`() throws {
    let rows = try ParquetFile(path: Self.path("long.bin")).rows()
    var (count, batches) = (0, 0)
    while let batch = try rows.next(1000) {
      for (place, row) in batch.enumerated() {
        #expect(row["text"]?.string?.utf8.count == (1 << 20) + String(count + place).utf8.count)
      }
      #expect(batch.count <= 16)
      (count, batches) = (count + batch.count, batches + 1)
    }
    #expect(count == 100)
    #expect(batches == 7)
  }

  @Test func `numbers and nulls end a batch`() throws {
    let rows = try ParquetFile(path: Self.path("numbers.bin")).rows()
    var count = 0
    while let batch = try rows.next(1000) {
      #expect(batch.count < 500, "values take at least 16 bytes of 16 MiB")
      #expect(batch.allSatisfy { $0["numbers"]?.array?.count == 1536 })
      count += batch.count
      #expect(rows.decodedBytes >= count * 1536 * 16)
    }
    #expect(count == 1000)
  }

  @Test(arguments: bad) func `what is wrong is refused with its place`(name: String) throws {
    let part = try #require(Self.expected["bad"]?[name]?.string)
    let error = #expect(throws: ParquetError.self) { try Self.read("bad/\(name).parquet") }
    let text = try #require(error).description
    #expect(text.hasPrefix(Self.path("bad/\(name).parquet: ")))
    #expect(text.contains(part), "\(text)")
  }

  @Test(arguments: bad) func `a column that nobody reads may be anything`(name: String) throws {
    guard let file = try? ParquetFile(path: Self.path("bad/\(name).parquet")), file.columns.contains("bad")
    else { return }
    let found = try Self.read("bad/\(name).parquet", columns: ["good"])
    #expect(found == [["good": "sound"], ["good": "too"]])
    #expect(throws: ParquetError.self) { try Self.read("bad/\(name).parquet", columns: ["bad"]) }
  }

  @Test func `an error names row group, column and page`() throws {
    let error = #expect(throws: ParquetError.self) { try Self.read("bad/checksum.parquet") }
    #expect(error?.place?.hasPrefix("row group 1 of 1, column bad, page at byte ") == true)
    #expect(#expect(throws: FileError.self) { try ParquetFile(path: Self.path("absent.parquet")) } != nil)
  }

  @Test func `a schema of too many nodes is refused`() throws {
    let count = 70_000
    // A struct whose second field is a list of structs, each with an empty name as its fourth field.
    let size = [UInt8(count & 0x7F | 0x80), UInt8(count >> 7 & 0x7F | 0x80), UInt8(count >> 14)]
    let footer = [0x29, 0xFC] + size + (0..<count).flatMap { _ in [0x48, 0, 0] as [UInt8] } + [0]
    let length = (0..<4).map { UInt8(truncatingIfNeeded: footer.count >> (8 * $0)) }
    let directory = try TemporaryDirectory()
    let path = try directory.write("wide.parquet", Array("PAR1".utf8) + footer + length + Array("PAR1".utf8))
    let error = #expect(throws: ParquetError.self) { try ParquetFile(path: path) }
    #expect(error?.reason == "the schema has more than 65536 elements")
  }

  /// Files of each kind with one wrong byte, or without their end: rows or an error, and nothing else.
  @Test(arguments: ["flat", "flat-2", "nested", "nested-2", "old-lists", "old-dictionary", "old-lz4", "flat-old"])
  func `a damaged file is read or refused`(name: String) throws {
    let directory = try TemporaryDirectory()
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path("\(name).parquet"))))
    var refused = 0
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] = [0, 0xFF, bytes[place] ^ 1, bytes[place] ^ 0x80][place % 4]
      let path = try directory.write("damaged.parquet", place % 50 == 49 ? Array(bytes[..<place]) : damaged)
      do {
        let file = try ParquetFile(path: path)
        // A number of rows may be anything where no value has bytes.
        let rows = try file.rows(from: place % 3)
        for _ in 0..<20 { if try rows.next(50) == nil { break } }
      } catch {
        #expect(error is any UserError, "\(error)")
        refused += 1
      }
    }
    #expect(refused > bytes.count / 10)
  }
}
