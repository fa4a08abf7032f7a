// No two rooms know each other: not in one step, not in several.

import TestSupport
import Testing

@Suite struct CircleTests {
  static let targets = [
    "Tensors", "Checkpoints", "Hub", "Jinja", "Parquet", "Patterns", "Collectives", "Corpus", "Model", "Runtime",
    "Training", "Evaluation",
    "Preparation", "TextMetrics", "shoal",
  ]

  private static func sources(_ folder: String) throws -> [SourceFile] {
    try Repository.files(in: folder).filter { $0.hasSuffix(".swift") }.map(SourceFile.init)
  }

  /// Who names what is declared elsewhere, with the names.
  private static func arrows(
    _ files: [SourceFile], by place: (SourceFile) -> String
  ) -> [String: [String: Set<String>]] {
    var owner: [String: String] = [:]
    for file in files { for name in file.declared where owner[name] == nil { owner[name] = place(file) } }
    var arrows: [String: [String: Set<String>]] = [:]
    for file in files {
      for name in file.named {
        guard let there = owner[name], there != place(file) else { continue }
        arrows[place(file), default: [:]][there, default: []].insert(name)
      }
    }
    return arrows
  }

  /// The arrows that lie on a circle, with the names that make them.
  private static func circles(_ arrows: [String: [String: Set<String>]]) -> [String] {
    func reached(from start: String) -> Set<String> {
      var reached: Set<String> = []
      var left = [start]
      while let place = left.popLast() {
        for next in (arrows[place] ?? [:]).keys where reached.insert(next).inserted { left.append(next) }
      }
      return reached
    }
    let reach = Dictionary(uniqueKeysWithValues: arrows.keys.map { ($0, reached(from: $0)) })
    return arrows.flatMap { place, others in
      others.filter { reach[$0.key]?.contains(place) == true }.map { other, names in
        "\(place) -> \(other): \(names.sorted().joined(separator: ", "))"
      }
    }.sorted()
  }

  @Test(arguments: targets) func `no room knows one that knows it`(target: String) throws {
    let files = try Self.sources("Sources/\(target)")
    #expect(files.count > 5)
    let circles = Self.circles(Self.arrows(files, by: \.room))
    #expect(circles.isEmpty, "\(circles.joined(separator: "\n"))")
  }

  @Test func `the folders of Training point one way`() throws {
    let circles = Self.circles(Self.arrows(try Self.sources("Sources/Training"), by: \.folder))
    #expect(circles.isEmpty, "\(circles.joined(separator: "\n"))")
  }

  @Test func `a circle is seen`() {
    let arrows: [String: [String: Set<String>]] = [
      "A": ["B": ["b"]], "B": ["C": ["c"]], "C": ["A": ["a"]], "D": ["A": ["a"]],
    ]
    #expect(Self.circles(arrows) == ["A -> B: b", "B -> C: c", "C -> A: a"])
  }
}
