import Foundation
import Testing
import Training

/// docs/configuration.md is the reference that the tables of keys make.
@Suite struct ConfigurationReferenceTests {
  private static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs/configuration.md").path

  @Test func `the key reference is that of the tables`() throws {
    let text = ConfigurationReference.markdown
    if ProcessInfo.processInfo.environment["SHOAL_WRITE_DOCS"] == "1" {
      try text.write(toFile: Self.path, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOfFile: Self.path, encoding: .utf8) == text,
      """
      docs/configuration.md is not what the tables of keys say; write it again:
      SHOAL_WRITE_DOCS=1 swift test -c release --filter ConfigurationReferenceTests
      """)
  }

  /// The names in the first cells of tables and in lists, below what they are keys of: "", "trl", "a data set", ….
  private static var names: [(owner: String, name: String)] {
    var owner = ""
    return ConfigurationReference.markdown.split(separator: "\n").flatMap { line -> [(String, String)] in
      if line.hasPrefix("## ") {
        owner = ["A data set", "Running text", "Special tokens"].first { line.hasSuffix($0) }?.lowercased() ?? ""
      } else if line.hasPrefix("In "), line.hasSuffix(":") {
        owner = line.hasPrefix("In `trl`") ? "trl" : String(line.dropFirst(3).dropLast())
      }
      let cell: Substring? =
        line.hasPrefix("- **")
        ? line.split(separator: ". ").last
        : line.hasPrefix("| `") ? line.split(separator: "|").first : nil
      return (cell ?? "").matches(of: /`([^`]+)`/).map { (owner, String($0.output.1)) }
    }
  }

  @Test func `a name stands in one row`() {
    let owners = Dictionary(grouping: Self.names, by: \.owner).mapValues { $0.map(\.name) }
    #expect(Set(owners.keys) == ["", "a data set", "running text", "special tokens", "trl"])
    for (owner, names) in owners {
      #expect(names.count > (owner == "" ? 400 : 3))
      #expect(Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.sorted() == [], "\(owner)")
    }
  }

  /// The list is made by Tests/Parity/axolotl_keys.py.
  @Test func `every key of axolotl's schema is in a row`() throws {
    let path = URL(fileURLWithPath: Self.path).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Tests/Fixtures/axolotl_keys.txt").path
    let keys = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(keys.count > 550)
    let prefixes = [
      "": "", "a data set": "datasets.", "running text": "datasets.", "special tokens": "special_tokens.",
      "trl": "trl.",
    ]
    let known = Self.names.compactMap { owner, name in prefixes[owner].map { $0 + name } } + ["trl.beta"]
    let stems = known.filter { $0.hasSuffix("*") }.map { $0.dropLast() }
    let unknown = keys.filter { key in !known.contains(String(key)) && !stems.contains { key.hasPrefix($0) } }
    #expect(unknown == [])
  }

  @Test func `every key says what it is and what it does`() {
    let rows = ConfigurationReference.markdown.split(separator: "\n").filter { $0.hasPrefix("| `") }
    for row in rows {
      let cells = row.split(separator: " | ", omittingEmptySubsequences: false)
      #expect(cells.count == 4 || cells.count == 3, "\(row)")
      #expect(!cells[1].isEmpty && cells[cells.count - 1].count > 5, "\(row)")
    }
  }
}
