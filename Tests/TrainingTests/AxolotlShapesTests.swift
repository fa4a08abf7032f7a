import Foundation
import Testing
import Training

/// Tests/Fixtures/axolotl_shapes.txt: what public files have in them, and what becomes of it.
@Suite struct AxolotlShapesTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    var title = ""
    /// The keys that it is refused for; empty when it is accepted.
    var refused: Set<String> = []
    var yaml = ""
    var testDescription: String { title }
  }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  private static let shapes: [Shape] = {
    let text = (try? String(contentsOfFile: "\(root)/Tests/Fixtures/axolotl_shapes.txt", encoding: .utf8)) ?? ""
    return text.components(separatedBy: "\n=== ").dropFirst().map { block in
      let (head, body) = block.split(separator: "\n", maxSplits: 1).map(String.init).pair
      let (outcome, title) = head.split(separator: ": ", maxSplits: 1).map(String.init).pair
      let keys = outcome == "accept" ? [] : outcome.dropFirst("refuse ".count).components(separatedBy: ", ")
      return Shape(title: title, refused: Set(keys), yaml: body)
    }
  }()

  private static func complete(_ yaml: String) -> String {
    func has(_ keys: String...) -> Bool { keys.contains { "\n\(yaml)".contains("\n\($0):") } }
    var text = "base_model: \(root)/demo/model\n"
    if !has("learning_rate") { text += "learning_rate: 1e-4\n" }
    if !has("adapter") { text += "adapter: lora\n" }
    if !has("datasets", "pretraining_dataset") { text += "datasets: [{path: data.jsonl}]\n" }
    return text + yaml
  }

  @Test func `there are many`() { #expect(Self.shapes.count >= 60) }

  @Test(arguments: shapes) func `a shape is accepted, or refused for what is not built`(_ shape: Shape) {
    let found = problems(Self.complete(shape.yaml)).map { problem in
      problem.prefixMatch(of: /line \d+: (?:missing key |unknown key )?`([^`:]+)/).map { String($0.output.1) }
        ?? problem
    }
    #expect(Set(found) == shape.refused)
  }
}

extension [String] {
  fileprivate var pair: (String, String) { (first ?? "", count > 1 ? self[1] : "") }
}
