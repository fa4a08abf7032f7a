// Compares patterns with Python's re.fullmatch, and bounds them.

import Checkpoints
import Foundation
import Patterns
import TestSupport
import Testing

@Suite struct RegularExpressionTests {
  private let fixture: JSONValue

  init() throws { fixture = try JSONValue.read(file: Repository.fixture("peft/patterns.json")) }

  @Test func `matches are Python's`() throws {
    let texts = (fixture["texts"]?.array ?? []).compactMap(\.string)
    let patterns = fixture["patterns"]?.array ?? []
    #expect(patterns.count > 300)
    for entry in patterns {
      let pattern = try #require(entry["pattern"]?.string)
      let expression = try RegularExpression(pattern)
      #expect(
        texts.indices.filter { expression.matches(texts[$0]) } == entry["matches"]?.array?.compactMap(\.int),
        "\(pattern)")
    }
  }

  @Test func `what Python refuses is refused`() {
    for pattern in (fixture["invalid"]?.array ?? []).compactMap(\.string) {
      #expect(throws: RegularExpression.Refusal.self, "\(pattern)") { try RegularExpression(pattern) }
    }
  }

  @Test func `what is not built is named`() {
    for entry in fixture["unsupported"]?.array ?? [] {
      let (pattern, reason) = (entry["pattern"]?.string ?? "", entry["reason"]?.string ?? "")
      let refusal = #expect(throws: RegularExpression.Refusal.self) { try RegularExpression(pattern) }
      #expect(refusal?.reason.contains(reason) == true, "\(pattern.prefix(60)): \(refusal?.reason ?? "")")
    }
  }

  /// Python tries these for years.
  @Test(.timeLimit(.minutes(1)), arguments: ["(a+)+b", "((a*)*)*b", "(a|a)*b", "(a?){60}a{60}b", "(.*.*.*.*)+b"])
  func `no pattern takes long`(pattern: String) throws {
    #expect(try !RegularExpression(pattern).matches(String(repeating: "a", count: 5000)))
  }
}
