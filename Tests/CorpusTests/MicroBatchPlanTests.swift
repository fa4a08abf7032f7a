import Corpus
import Testing

struct MicroBatchPlanTests {
  /// Deterministic lengths that look like real data.
  private func lengths(_ count: Int, upTo limit: Int) -> [Int] { (0..<count).map { 1 + ($0 * 7919 + 13) % limit } }

  @Test(arguments: [(1, 10), (3, 50), (8, 400), (8, 2000), (33, 1500), (64, 90)])
  func `every example is planned once`(count: Int, limit: Int) {
    let counts = lengths(count, upTo: limit)
    let plan = MicroBatchPlan(tokenCounts: counts)
    #expect(plan.microBatches.flatMap { $0 }.sorted() == Array(0..<count))
    #expect(plan.microBatches.allSatisfy { !$0.isEmpty && $0 == $0.sorted() })
    let tokens = plan.microBatches.map { $0.reduce(0) { $0 + counts[$1] } }
    #expect(tokens == tokens.sorted(by: >))
    #expect(plan == MicroBatchPlan(tokenCounts: counts))
  }

  @Test(arguments: [
    ([100], 1), ([100, 100], 1), ([300, 300], 2), ([256, 256, 256, 256], 4),
    (Array(repeating: 256, count: 16), 8), (Array(repeating: 1500, count: 8), 8),
    (Array(repeating: 600, count: 32), 19), ([5000], 1),
  ])
  func `the number of micro batches follows the tokens`(counts: [Int], expected: Int) {
    #expect(MicroBatchPlan(tokenCounts: counts).microBatches.count == expected)
  }

  @Test func `the longest goes first and ties by position`() {
    // 2400 tokens in at most 8 micro-batches: the last of 9 examples joins the micro-batch with the fewest tokens.
    let counts = [100, 300, 300, 200, 500, 200, 300, 200, 300]
    let plan = MicroBatchPlan(tokenCounts: counts)
    #expect(plan.microBatches == [[4], [1], [2], [6], [8], [0, 3], [5], [7]])
  }

  @Test func `whole data sets are cut near the aim`() {
    let counts = lengths(500, upTo: 700)
    let runs = MicroBatchPlan.runs(tokenCounts: counts)
    #expect(runs.flatMap(Array.init) == Array(0..<500))
    for run in runs.dropLast() {
      let tokens = counts[run].reduce(0, +)
      #expect(abs(tokens - 1024) <= abs(tokens + counts[run.upperBound] - 1024))
      #expect(tokens >= 1024 - 350 && tokens <= 1024 + 350)
    }
    #expect(MicroBatchPlan.runs(tokenCounts: []).isEmpty)
    #expect(MicroBatchPlan.runs(tokenCounts: [3000, 3000, 10]) == [0..<1, 1..<2, 2..<3])
  }

  @Test func `digests tell contents apart`() {
    let tree = ExampleTree(index: 0, prompt: [1, 2], completions: [[3], [4, 5]])
    var others = [tree, tree, tree]
    others[0].prompt = [1]
    others[0].completions = [[2, 3], [4, 5]]
    others[1].completions = [[3, 4], [5]]
    others[2].completions = [[4, 5], [3]]
    #expect(Set(([tree] + others).map(\.contentDigest)).count == 4)
    #expect(ExampleTree(index: 9, prompt: [1, 2], completions: [[3], [4, 5]]).contentDigest == tree.contentDigest)
  }
}
