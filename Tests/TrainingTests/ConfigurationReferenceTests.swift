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

  /// The names in the first cells of tables and in lists, by `##` section.
  private static var names: [(section: String, name: String)] {
    var section = ""
    return ConfigurationReference.markdown.split(separator: "\n").flatMap { line -> [(String, String)] in
      if line.hasPrefix("## ") { section = String(line.dropFirst(3)) }
      if line == "In a data set:" { section = "A data set" }
      let cell: Substring? =
        line.hasPrefix("- **")
        ? line.split(separator: ". ").last
        : line.hasPrefix("| `") ? line.split(separator: "|").first : nil
      return (cell ?? "").matches(of: /`([^`]+)`/).map { (section, String($0.output.1)) }
    }
  }

  @Test func `a name stands in one row`() {
    for isDataset in [false, true] {
      let names = Self.names.filter { ($0.section == "A data set") == isDataset }.map(\.name)
      #expect(names.count > (isDataset ? 25 : 200))
      #expect(Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.sorted() == [])
    }
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
