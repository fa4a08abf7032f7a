// What the documentation says of the tree.

import Foundation
import TestSupport
import Testing

@Suite struct DocumentationTests {
  /// Folders of the map in docs/architecture.md.
  private static func map() throws -> Set<String> {
    let text = try Repository.text("docs/architecture.md")
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
    return Set(
      rows.flatMap { row in
        row.split(separator: "|")[0].split(separator: "`").filter { $0.hasSuffix("/") }.map { String($0.dropLast()) }
      })
  }

  /// Below these the files are data, or C headers of one kind.
  private static let leaves = ["Tests/Fixtures", "Tests/Fuzz", "Tests/EndToEndTests", "Tests/FailingCalls"]

  /// Every folder that holds a committed file.
  private static func folders() throws -> Set<String> {
    var folders: Set<String> = [".ci", "docs", "launch"]
    for top in ["Sources", "Tests", "configs", "demo", "docs"] {
      if top != "Sources" && top != "Tests" { folders.insert(top) }
      for folder in try Repository.folders(in: top) { folders.insert(folder) }
    }
    return folders.filter { folder in !leaves.contains { folder.hasPrefix("\($0)/") } }
      // What the demo and the making of its model leave.
      .filter { folder in
        !["demo/run", "demo/merged", "demo/base"].contains(where: folder.hasPrefix) && !folder.hasSuffix("__pycache__")
      }
  }

  @Test func `the map names every folder and no other`() throws {
    let (map, folders) = (try Self.map(), try Self.folders())
    #expect(folders.subtracting(map).sorted() == [], "folders that the map lacks")
    #expect(map.subtracting(folders).sorted() == [], "places of the map that are no folder")
  }

  @Test(arguments: ["README.md", "CONTRIBUTING.md", "docs"]) func `every path that is named exists`(place: String)
    throws
  {
    let pages = place.hasSuffix(".md") ? [place] : try Repository.files(in: place).filter { $0.hasSuffix(".md") }
    for page in pages {
      let text = try Repository.text(page)
      let roots = ["Sources/", "Tests/", "docs/", "launch/", "configs/", "demo/"]
      for word in text.split(whereSeparator: { "`()[]| \n,;".contains($0) }).map(String.init)
      where roots.contains(where: word.hasPrefix) {
        let path = word.trimmingCharacters(in: CharacterSet(charactersIn: ".:/"))
        // Made by a run, or a pattern.
        guard !path.hasPrefix("demo/run"), !path.hasPrefix("demo/merged"), !path.contains("*"), !path.contains("…")
        else { continue }
        #expect(Repository.exists(path), "\(page) names \(word)")
      }
    }
  }

  @Test func `README is one page`() throws {
    let text = try Repository.text("README.md")
    #expect(text.split(separator: "\n").count < 100)
    for page in try Repository.files(in: "docs").filter({ $0.hasSuffix(".md") && !$0.hasPrefix("docs/results/") }) {
      #expect(text.contains("(\(page))"), "README links to \(page)")
    }
  }
}
