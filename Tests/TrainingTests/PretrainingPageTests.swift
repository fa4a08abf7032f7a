import Foundation
import TestSupport
import Testing
import Training

/// The configurations in docs/pretraining.md.
@Suite struct PretrainingPageTests {
  private static let blocks: [String] = {
    let parts = ((try? Repository.text("docs/pretraining.md")) ?? "").components(separatedBy: "```")
    return parts.enumerated().filter { $0.offset % 2 == 1 && $0.element.hasPrefix("yaml\n") }.map {
      String($0.element.dropFirst(5))
    }
  }()

  @Test func `there are examples`() { #expect(Self.blocks.count == 2) }

  @Test(arguments: blocks) func `an example is read as it stands`(block: String) throws {
    let run = try configuration(
      "learning_rate: 1e-3\n"
        + (block.contains("base_model") ? "datasets: [{path: a.jsonl, type: completion}]\n" : "base_model: model\n")
        + block)
    #expect(run.ignoredKeys.isEmpty, "\(run.ignoredKeys)")
    #expect(run.drawsWeights == block.contains("random_init") && run.packs == block.contains("sample_packing"))
  }
}
