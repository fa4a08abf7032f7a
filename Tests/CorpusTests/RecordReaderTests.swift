import Checkpoints
import Corpus
import Foundation
import Glibc
import Tensors
import TestSupport
import Testing

struct RecordReaderTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func records(_ name: String, _ text: String) throws -> [JSONValue] {
    let reader = try RecordReader(path: try directory.write(name, text))
    return try (0..<reader.count).map { try reader.record($0) }
  }

  private func mistake(_ name: String, _ bytes: [UInt8], record: Int) throws -> RecordMistake? {
    let reader = try RecordReader(path: try directory.write(name, bytes))
    return #expect(throws: RecordMistake.self) { try reader.record(record) }
  }

  @Test(arguments: [
    "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":2}", "\u{FEFF}{\"a\":1}\r\n{\"a\":2}\r\n",
    "\n{\"a\":1}\n  \n\r\n {\"a\":2} \n\n", "{\"a\":1}\r{\"a\":2}\r", "\r{\"a\":1}\r\n\r{\"a\":2}",
    "{\"a\":1}\n{\"a\":2}\0".replacing("\0", with: "\r"), "[{\"a\":1},{\"a\":2}]",
    "\u{FEFF} [\n {\"a\":1}\n,\r\n{\"a\":2}]\n",
  ])
  func `lines and arrays are read`(text: String) throws {
    for name in ["a.jsonl", "a.json", "a.ndjson", "A.JSONL", "a.Json"] {
      #expect(try records(name, text) == [["a": 1], ["a": 2]])
    }
  }

  @Test func `elements of an array may hold anything`() throws {
    let text = #"[{"a":"],[{\"\\"}, {"a":[[1,2],{"b":"}"}]}]"#
    #expect(try records("a.json", text) == [["a": #"],[{"\"#], ["a": [[1, 2], ["b": "}"]]]])
  }

  @Test func `line separators inside a string are no lines`() throws {
    #expect(try records("a.jsonl", "{\"a\":\"x\u{2028}\u{85}y\"}\n").count == 1)
  }

  @Test func `mistakes name line and byte and not the content`() throws {
    let good = "{\"a\":\"1\"}\r\n\n"
    let cases: [[UInt8]] = [
      Array("{\"secret\": }".utf8), Array("secret".utf8), Array("[\"secret\"]".utf8),
      Array("{\"secret".utf8) + [0xC3, 0x28] + Array("\": 1}".utf8), Array("{\"secret\": \"\\x\"}".utf8),
      Array("{\"secret\":1} {\"secret\":1}".utf8),
      Array(("{\"secret\":" + String(repeating: "[", count: 70) + String(repeating: "]", count: 70) + "}").utf8),
    ]
    for bytes in cases {
      let mistake = try #require(try mistake("a.jsonl", Array(good.utf8) + bytes + [0x0A], record: 1))
      #expect(mistake.location.line == 3)
      #expect(mistake.location.byte >= good.utf8.count)
      #expect(mistake.description.hasPrefix("\(directory.path)/a.jsonl:3 (byte "))
      #expect(!mistake.description.contains("secret"))
    }
  }

  @Test func `lines that end in CR are counted`() throws {
    let text = "{\"a\":1}\r\r\n\r{\"a\":2}\r\n{\"a\":}\n"
    let reader = try RecordReader(path: try directory.write("a.jsonl", text))
    #expect((0..<reader.count).map { reader.location($0).line } == [1, 4, 5])
    #expect(throws: RecordMistake.self) { try reader.record(2) }
  }

  /// What Python's json.dumps writes, and what other programs leave, in fields that nobody reads.
  private static let unread: [[UInt8]] = [
    Array("NaN".utf8), Array("-Infinity".utf8), Array("1e999".utf8), Array("\"\\ud83d\"".utf8),
    Array("{\"deep\": [\"\\udead\", NaN]}".utf8), [0x22, 0xE9, 0x22], [0x22, 0x00, 0x22], Array("1, \"score\": 2".utf8),
  ]

  @Test(arguments: unread) func `what nobody reads may be anything`(value: [UInt8]) throws {
    let text = { (field: String) in
      Array("{\"prompt\":\"p\",\"\(field)\":".utf8) + value + Array(",\"chosen\":\"c\",\"rejected\":\"r\"}".utf8)
    }
    let reader = try RecordReader(path: try directory.write("a.jsonl", Array("\n".utf8) + text("score")))
    #expect(try ExampleRecord.read(try reader.record(0), kind: .pair).count == 1)
    var fields = RecordFields()
    fields[.chosen] = "score"
    let problem = #expect(throws: RecordProblem.self) {
      try ExampleRecord.read(try reader.record(0), kind: .pair, fields: fields)
    }
    // An object is read as a message.
    #expect(problem?.field == (value.first == UInt8(ascii: "{") ? "score.role" : "score"))
    #expect(problem?.reason.contains(value.first == UInt8(ascii: "{") ? "missing" : "found") == true)
  }

  @Test func `NaN is named where a value is wanted`() throws {
    for (text, found) in [("NaN", "NaN"), ("1e999", "an infinite number"), ("\"\\ud83d\"", "half of a surrogate")] {
      let record = try #require(
        try records("a.jsonl", "{\"prompt\":\"p\",\"chosen\":\(text),\"rejected\":\"r\"}").first)
      let problem = #expect(throws: RecordProblem.self) { try ExampleRecord.read(record, kind: .pair) }
      #expect(problem?.field == "chosen" && problem?.reason.contains(found) == true, "\(problem?.reason ?? "")")
    }
  }

  /// TRL and the hub's libraries keep the character, and so does the tokenizer.
  @Test func `NUL is a character of a text`() throws {
    let record = try #require(try records("a.jsonl", #"{"prompt":"a\u0000b","completion":" c\u0000"}"#).first)
    let example = try #require(try ExampleRecord.read(record).first)
    let tree = try Fixtures.encoder().encode(example, index: 0).tree
    #expect(try Fixtures.tokenizer().decode(tree.prompt + tree.completions[0]) == "a\0b c\0<|im_end|>")
  }

  @Test func `places inside an array are exact`() throws {
    let text = "[\n{\"a\":1},\n{\"a\":\n 01},\n7]"
    let second = try #require(try mistake("a.json", Array(text.utf8), record: 1))
    #expect(second.location.line == 4)
    let third = try #require(try mistake("a.json", Array(text.utf8), record: 2))
    #expect(third.location.line == 5)
    #expect(third.location.byte == text.utf8.count - 2)
  }

  @Test(arguments: ["[", "[{}", "[{},", "[{},]", "[,{}]", "[{}]]", "[{}] {}", "[{},,{}]", "[{\"a\":\"]"])
  func `broken arrays are refused`(text: String) throws {
    let path = try directory.write("a.json", text)
    let error = #expect(throws: CorpusError.self) { _ = try RecordReader(path: path) }
    #expect(error?.description.hasPrefix("\(path):1 (byte ") == true)
  }

  @Test func `a line has a longest length`() throws {
    let line = { (bytes: Int) in "{\"a\":\"" + String(repeating: "x", count: bytes - 8) + "\"}\n" }
    let path = try directory.write("a.jsonl", line(16 << 20) + line((16 << 20) + 1))
    let reader = try RecordReader(path: path)
    #expect(throws: Never.self) { try reader.record(0) }
    let mistake = #expect(throws: RecordMistake.self) { try reader.record(1) }
    #expect(mistake?.location.line == 2)
  }

  @Test func `files without records are refused`() throws {
    for name in ["blank.jsonl", "array.json"] {
      let path = try directory.write(name, name == "array.json" ? "[ ]" : " \n\n")
      #expect(throws: CorpusError.unusable(path: path, reason: "it has no records")) {
        _ = try RecordReader(path: path)
      }
    }
    let empty = try directory.write("empty.jsonl", "")
    #expect(throws: FileError.self) { _ = try RecordReader(path: empty) }
    for name in ["a.pdf", "a.jsonl.gz", "a.gz", "a.jsonl.zst", "a.arrow"] {
      let path = try directory.write(name, "{}")
      #expect(throws: CorpusError.self) { _ = try RecordReader(path: path) }
    }
  }

  /// Two gzip members in a row, as parallel packers and `cat` write them.
  private static let packed = Array(
    Data(base64Encoded: "H4sIAAAAAAACA6tWSlSyMqzlAgBGo+h0CAAAAB+LCAAAAAAAAgOrVkpUsjKq5QIAHx2udggAAAA=") ?? Data())

  @Test func `compressed files are read`() throws {
    for name in ["a.jsonl.gz", "a.json.gz"] {
      let reader = try RecordReader(path: try directory.write(name, Self.packed))
      #expect(reader.count == 2)
      #expect(try reader.record(1) == ["a": 2])
      #expect(reader.location(1).line == 2)
    }
  }

  @Test func `zeros after a member are padding`() throws {
    let (first, second) = (Self.packed[..<28], Self.packed[28...])
    for bytes in [Self.packed + [0], Self.packed + [UInt8](repeating: 0, count: 70_000), first + [0, 0, 0] + second] {
      for name in ["a.jsonl.gz", "A.JSONL.GZ", "a.ndjson.gz"] {
        let reader = try RecordReader(path: try directory.write(name, Array(bytes)))
        #expect(reader.count == 2)
        #expect(try reader.record(1) == ["a": 2])
      }
    }
    let garbage = try directory.write("b.jsonl.gz", Self.packed + [0, 0, 7, 0])
    #expect(throws: CorpusError.self) { _ = try RecordReader(path: garbage) }
  }

  /// More than one buffer; the first buffer is filled to its last byte.
  @Test(arguments: [65_536, 65_537]) func `a long compressed file is read`(pairs: Int) throws {
    let bytes = Array(repeatElement(Self.packed, count: pairs).joined())
    let reader = try RecordReader(path: try directory.write("a.jsonl.gz", bytes))
    #expect(reader.count == 2 * pairs)
    #expect(try reader.record(2 * pairs - 1) == ["a": 2])
  }

  @Test func `a compressed file may not grow without end`() throws {
    let bytes = Array(repeatElement(Self.packed, count: 10_000).joined())
    let path = try directory.write("a.jsonl.gz", bytes)
    #expect(try RecordReader(path: path, maximumUnpackedBytes: 160_000).count == 20_000)
    for limit in [159_999, 20_000, 1] {
      let error = #expect(throws: CorpusError.self) { try RecordReader(path: path, maximumUnpackedBytes: limit) }
      #expect(error?.description.contains("unpacks to more than") == true)
    }
  }

  /// A copy of a parquet file that pyarrow wrote, under a name of data.
  private func parquet(_ name: String) throws -> String {
    let source = URL(fileURLWithPath: Repository.fixture("parquet/\(name)"))
    return try directory.write("\(name).parquet", [UInt8](Data(contentsOf: source)))
  }

  @Test func `neither may the rows of a parquet file`() throws {
    let path = try parquet("long.bin")
    #expect(try RecordReader(path: path, maximumUnpackedBytes: 200 << 20).count == 100)
    let error = #expect(throws: CorpusError.self) { try RecordReader(path: path, maximumUnpackedBytes: 50 << 20) }
    #expect(error?.description.contains("unpacks to more than") == true)
  }

  @Test func `a row may not be longer than another record`() throws {
    let reader = try RecordReader(path: try parquet("large.bin"))
    #expect(try reader.record(0) == ["text": "short"])
    let mistake = #expect(throws: RecordMistake.self) { try reader.record(1) }
    #expect(mistake?.location.line == 2)
    #expect(mistake?.problem.reason == "the record has more than 16777216 bytes")
  }

  @Test(.timeLimit(.minutes(1))) func `a pipe is no data file`() throws {
    let path = directory.path + "/pipe.jsonl"
    #expect(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: FileError.self) { _ = try RecordReader(path: path) }
    #expect(error?.description.contains("no regular file") == true)
  }

  @Test func `a damaged compressed file is refused`() throws {
    // Truncated anywhere except between the two members, or with one bit of the data or its checksum flipped.
    for count in Self.packed.indices where count != 28 {
      let path = try directory.write("cut.jsonl.gz", Array(Self.packed[..<count]))
      #expect(throws: (any Error).self, "\(count) bytes") { _ = try RecordReader(path: path) }
    }
    for place in [0, 3, 12, 20, 28, 45] {
      var bytes = Self.packed
      bytes[place] ^= 4
      let path = try directory.write("turned.jsonl.gz", bytes)
      #expect(throws: CorpusError.self, "byte \(place)") { _ = try RecordReader(path: path) }
    }
    let plain = try directory.write("plain.jsonl.gz", "{}\n")
    let error = #expect(throws: CorpusError.self) { _ = try RecordReader(path: plain) }
    #expect(error?.description.contains("gzip") == true)
  }
}
