import Checkpoints
import Testing

/// YAML as PyYAML's safe loader reads it.
@Suite struct YAMLDocumentTests {
  private static let limits = YAMLDocument.Limits(values: 1000, levels: 10)

  private func value(_ text: String) throws -> JSONValue { try YAMLDocument(text, limits: Self.limits).value }

  /// What yaml.safe_load gives for each of them.
  @Test(
    arguments: [
      (".", "."), ("-.", "-."), ("+.", "+."), ("._5", "._5"), ("-.5", "-.5"), (".5", 0.5), ("1.", 1.0),
      ("-1_0.2_5", -10.25),
      ("1e5", "1e5"), ("1.5e+3", 1500.0), ("1.e+3", 1000.0), ("1.5e3", "1.5e3"), ("0x1F", 31), ("-0b11", -3),
      ("017", 15),
      ("08", "08"), ("0", 0), ("1:30", 90), ("190:20:30", 685_230), ("1:30.5", 90.5), ("-1:30", -90), ("1:60", "1:60"),
      ("+12_3", 123), ("12a", "12a"), ("yes", true), ("Off", false), ("~", .null), ("y", "y"), ("'1'", "1"),
      ("- 1", [1]),
      ("1.2.3", "1.2.3"), ("+", "+"), ("--1", "--1"), ("_1", "_1"),
    ] as [(String, JSONValue)])
  func `plain scalars`(text: String, expected: JSONValue) throws { #expect(try value(text) == expected) }

  @Test func `what has no JSON form`() throws {
    #expect(try value("+.INF").double == .infinity && value("-.inf").double == -.infinity)
    #expect(try value(".NaN").double?.isNaN == true)
    #expect(try value("123456789012345678901234567890").double == 123_456_789_012_345_678_901_234_567_890)
  }

  @Test func `names, aliases, merges and tags`() throws {
    let text = """
      base: &base {a: 1, b: 2}
      other: &other {b: 3, c: 4}
      own:
        b: 5
        <<: [*base, *other]
      again: *base
      own: {<<: *other, d: !function utils.f}
      """
    let document = try YAMLDocument(text, limits: Self.limits)
    #expect(document.value["own"] == ["d": "utils.f", "b": 3, "c": 4])
    #expect(document.value["again"] == ["a": 1, "b": 2] && document.lines["own"] == 7 && document.lines["a"] == nil)
    #expect(document.tagged.map(\.text) == ["utils.f"] && document.tagged[0].tag == "!function")
    #expect(try value("{b: 5, <<: [{a: 1, b: 2}, {a: 3, c: 4}]}") == ["b": 5, "a": 1, "c": 4])
  }

  @Test(arguments: [
    "a: [", "*none", "? [a]\n: 1", "<<: 3", "a: &a [1]\nb: [*a, *c]",
    // Bombs: of values, of levels, of levels through aliases.
    "a: &a [" + Array(repeating: "1", count: 90).joined(separator: ",") + "]\nb: ["
      + Array(repeating: "*a", count: 12).joined(separator: ",") + "]",
    String(repeating: "[", count: 11) + String(repeating: "]", count: 11),
    "- &a [[[[1]]]]\n- &b [[[[*a]]]]\n- [[*b]]",
  ])
  func `what is refused`(text: String) { #expect(throws: YAMLEvents.Failure.self) { try value(text) } }
}
