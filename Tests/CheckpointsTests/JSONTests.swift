import Checkpoints
import TestSupport
import Testing

@Suite struct JSONTests {
  @Test func `reads every kind of value`() throws {
    let value = try JSONValue.parse(
      #" {"b": [1, -2.5e-3, true, null], "a": {"": "x\u00e9\ud83d\ude00\n\/"}, "n": 9223372036854775808} "#)
    #expect(value.members?.map(\.name) == ["b", "a", "n"])
    #expect(value["b"] == [1, -0.0025, true, .null])
    #expect(value["a"]?[""]?.string == "x\u{e9}\u{1F600}\n/")
    #expect(value["n"] == .number(9_223_372_036_854_775_808))
    #expect(value["b"]?.array?[0].int == 1)
    #expect(value["b"]?.array?[0].double == 1)
    #expect(value["missing"] == nil)
    #expect(try JSONValue.parse("-9223372036854775808") == .integer(.min))
  }

  @Test(arguments: [
    ("", 0), (" ", 1), ("{", 1), ("[1,]", 3), ("[1 2]", 3), ("{\"a\":1,}", 7), ("{a:1}", 1),
    ("{\"a\" 1}", 5), ("01", 0), ("-01", 1), ("1.", 2), (".5", 0), ("+1", 0), ("1e", 2), ("1e999", 0),
    ("-", 1), ("nul", 0), ("True", 0), ("NaN", 0), ("1 1", 2), ("\"a", 0), ("\"\t\"", 1),
    ("\"\\x\"", 1), ("\"\\u00g0\"", 5), ("\"\\ud800\"", 1), ("\"\\ud800\\u0041\"", 1),
    ("\"\\udc00\"", 1), ("\"a\\u0000\"", 2), ("\"a\0\"", 2), ("\u{FEFF}1", 0), ("\"\\", 1), ("//", 0),
    ("{\"a\":1,\"b\":2,\"a\":3}", 13), ("{\"a\":1,\"\\u0061\":2}", 7), ("[1]\0", 3),
  ])
  func `refuses what is not JSON`(text: String, offset: Int) {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
    #expect(error?.byteOffset == offset, "\(error?.reason ?? "")")
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3],
    ] as [[UInt8]])
  func `refuses bad UTF-8`(bytes: [UInt8]) {
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse([0x22] + bytes + [0x22]) }
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse([0x22, 0x5C, 0x6E] + bytes + [0x22]) }
  }

  @Test func `errors count lines`() {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse("{\n \"a\": 1,\n \"b\" 2}") }
    #expect(error?.line == 3)
  }

  @Test func `depth is limited`() throws {
    let nested = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    _ = try JSONValue.parse(nested(64))
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(65)) }
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(1_000_000)) }
  }

  /// Composed and decomposed letters are equal for Swift's `==`, but are different tokens for a model.
  @Test func `names are bytes not letters`() throws {
    let value = try JSONValue.parse("{\"\u{e9}\": 1, \"e\u{301}\": 2}")
    #expect(value["\u{e9}"] == 1)
    #expect(value["e\u{301}"] == 2)
    #expect(JSONValue.string("\u{e9}") != .string("e\u{301}"))
  }

  @Test func `duplicates are found in large objects`() throws {
    let many = (0..<5000).map { "\"name\($0)\":\($0)" }.joined(separator: ",")
    #expect(try JSONValue.parse("{\(many)}").members?.count == 5000)
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse("{\(many),\"name4321\":0}") }
  }

  @Test func `data is read as Python writes it`() throws {
    func data(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8), by: .data) }
    let value = try data(#"{"a": NaN, "b": [Infinity, -Infinity], "c": 1e999, "d": "x\u0000y", "e": -1}"#)
    #expect(value["a"]?.double?.isNaN == true && value["b"] == [.number(.infinity), .number(-.infinity)])
    #expect(value["c"] == .number(.infinity) && value["d"]?.string == "x\0y" && value["e"] == -1)
    for text in ["Nan", "nan", "-NaN", "Infinit", "-Inf", "+Infinity", "[Infinity Infinity]"] {
      #expect(throws: JSONSyntaxError.self, "\(text)") { try data(text) }
    }
  }

  @Test(arguments: [
    (#"{"a": "x\ud83d", "b": 1}"#, "surrogate"), (#"{"a": "\udc00\ud83d\ude00", "b": 1}"#, "surrogate"),
    (#"{"a": "\ud83d\u0041", "b": 1}"#, "surrogate"), ("{\"a\": \"\t\", \"b\": 1}", "must be escaped"),
    ("{\"a\": \"x\0\", \"b\": 1}", "NUL"), ("{\"a\": 1, \"b\": 1, \"a\": 2}", "twice"),
    ("{\"a\": [1], \"\\u0061\": 2, \"b\": 1, \"a\": 3}", "twice"),
  ])
  func `in data a bad value is bad alone`(text: String, reason: String) throws {
    let value = try JSONValue.parse(Array(text.utf8), by: .data)
    guard case .unusable(let error)? = value["a"] else {
      Issue.record("\(value) is taken")
      return
    }
    #expect(error.reason.contains(reason) && value["b"] == 1 && value.members?.count == 2)
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
  }

  @Test func `in data bad UTF-8 is bad alone, and a bad name is not`() throws {
    let bad: [UInt8] = [0x22, 0x63, 0xE9, 0x22]
    let value = try JSONValue.parse(Array("{\"a\": ".utf8) + bad + Array(", \"b\": \"é\"}".utf8), by: .data)
    #expect(value["b"] == "é" && value["a"]?.string == nil)
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(Array("{".utf8) + bad + Array(": 1}".utf8), by: .data) }
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(Array("{\"\\ud800\": 1}".utf8), by: .data) }
  }

  @Test func `writes as Python does`() throws {
    let value: JSONValue = [
      "b": [1, 2.5, []], "a": ["k": "é\"\\\n\u{1}"], "empty": [:], "nan": .number(.nan),
    ]
    #expect(value.serialized() == #"{"b":[1,2.5,[]],"a":{"k":"é\"\\\n\u0001"},"empty":{},"nan":null}"#)
    #expect(
      value.serialized(indent: 2, sortedKeys: true) == """
        {
          "a": {
            "k": "é\\"\\\\\\n\\u0001"
          },
          "b": [
            1,
            2.5,
            []
          ],
          "empty": {},
          "nan": null
        }
        """)
  }

  @Test func `numbers keep their bits`() throws {
    for bits in [0.1, 1e-5, .leastNonzeroMagnitude, 1.7976931348623157e308, 123456789.0, 1e16, -0.0, 1 / 3.0] {
      let back = try JSONValue.parse(JSONValue.number(bits).serialized()).double
      #expect(back?.bitPattern == bits.bitPattern)
    }
  }

  /// A vocabulary of Qwen2's size, in linear time.
  @Test func `reads large files quickly`() throws {
    let vocabulary = (0..<150_000).map { "\"Ġtoken\($0)\":\($0)" }.joined(separator: ",")
    let merges = (0..<150_000).map { "\"Ġto ken\($0)\"" }.joined(separator: ",")
    let text = Array("{\"vocab\":{\(vocabulary)},\"merges\":[\(merges)]}".utf8)
    var value: JSONValue?
    let seconds = try processorSeconds { value = try JSONValue.parse(text) }
    #expect(value?["vocab"]?.members?.count == 150_000)
    #expect(seconds < boundedSeconds)
  }
}
