import Corpus
import Testing
import Training

@Suite struct HeldOutTreesTests {
  private let objective = Objective.kto(KTO(beta: 0.1))

  /// The number of each example's completion that is mismatched with its prompt.
  private func sources(_ prompts: [Int32], _ trees: ([ExampleTree]) -> [ExampleTree]) -> [Int32] {
    let examples = prompts.enumerated().map { place, prompt in
      ExampleTree(index: place, prompt: [prompt], completions: [[Int32(place)]], label: place % 2 == 0)
    }
    return trees(examples).map { $0.completions[1][0] }
  }

  @Test func `KTO's mismatched completion answers another prompt`() {
    func heldOut(_ prompts: [Int32]) -> [Int32] { sources(prompts) { objective.heldOutTrees($0, limit: 9) } }
    #expect(heldOut([1, 1, 2, 2, 3, 3]) == [5, 5, 1, 1, 3, 3])
    #expect(heldOut([1, 2, 3]) == [2, 0, 1])
    #expect(heldOut([1, 2, 1, 1]) == [1, 0, 1, 1])
    // With one prompt there is no other.
    #expect(heldOut([1, 1]) == [1, 0] && heldOut([1]) == [0] && heldOut([]) == [])
    // A step's order is random; there it is the example before.
    #expect(sources([1, 1, 2]) { objective.trees($0, limit: 9) } == [2, 0, 1])
  }
}
