import Checkpoints
import Foundation
import Patterns
import TestSupport
import Testing

/// What Python's `re` finds (Tests/Fixtures/pattern_search.py).
struct PatternSearchTests {
  private static let cases: [JSONValue] = {
    let text = (try? String(contentsOfFile: Repository.fixture("pattern_search.jsonl"), encoding: .utf8)) ?? ""
    return text.utf8.split(separator: 0x0A).compactMap { try? JSONValue.parse(Array($0), by: .anyText) }
  }()

  @Test func `matches and groups are Python's`() throws {
    #expect(Self.cases.count > 500)
    for entry in Self.cases {
      let (pattern, text) = (entry["pattern"]?.string ?? "", entry["text"]?.string ?? "")
      let search = try PatternSearch(pattern)
      let spans = try search.matches(in: Array(text.unicodeScalars)).map { match in
        JSONValue.array(
          match.groups.map { range in
            .array([range?.lowerBound ?? -1, range?.upperBound ?? -1].map { .integer(Int64($0)) })
          })
      }
      #expect(JSONValue.array(spans) == entry["spans"], "\(pattern) in \(text.debugDescription)")
      if let replacement = entry["replacement"]?.string, let replaced = entry["replaced"]?.string {
        let found = try search.replacing(text, with: replacement)
        #expect(found.utf8.elementsEqual(replaced.utf8), "\(pattern) in \(text.debugDescription)")
      }
    }
  }

  @Test(arguments: [#"(a)\1"#, "(?>a)", "a++", "(?(1)a)", "(?<=a+)b", "(", "a**", "(?x)a", #"\q"#])
  func `what is not regular is refused`(pattern: String) {
    #expect(throws: PatternRefusal.self) { try PatternSearch(pattern) }
  }

  @Test func `nothing is tried twice`() throws {
    let text = Array(String(repeating: "a", count: 5000).unicodeScalars)
    #expect(try PatternSearch("(a*)*b").matches(in: text).isEmpty)
    #expect(try PatternSearch("(a|aa)+$").matches(in: text).count == 1)
  }

  @Test func `time and memory are bounded`() throws {
    let text = String(repeating: "a", count: 5000)
    #expect(
      try PatternSearch(String(repeating: "(a?)", count: 100)).matches(in: Array(text.unicodeScalars)).count == 51)
    #expect(throws: PatternRefusal.self) { try PatternSearch(String(repeating: "(a?)", count: 101)) }
    let replacement = String(repeating: "b", count: 1 << 20)
    #expect(throws: PatternRefusal(reason: "makes too long a text")) {
      try PatternSearch("a").replacing(text, with: replacement)
    }
    var room = PatternRoom()
    room.states = 1_000_000
    #expect(throws: PatternRefusal(reason: "takes too long to search for")) {
      try PatternSearch("(?:(?:a?){100}){100}b").replacing(text, with: "", &room)
    }
    #expect(room.states <= 0)
    // A look's own program is made ready at each place.
    room.states = 1_000_000
    _ = try PatternSearch("(?=(?:b{100}){100})c").replacing(String(repeating: "a", count: 100), with: "", &room)
    #expect(room.states < 1_000_000 - 100 * 10_000 / 16)
  }
}
