// Reference log-probs that a run needs.

import Checkpoints
import Corpus

/// Rank 0's reference sums: from the cache, or computed once before the run.
final class References {
  private var cache: ReferenceCache
  /// Trees whose reference the run needs beforehand.
  private let needed: [ExampleTree]
  /// Whether a step knows its references before it begins.
  private let areKnownToSteps: Bool

  /// - Parameter modelHash: of the reference model.
  init(_ configuration: RunConfiguration, _ data: TrainingData, _ plan: StepPlan, modelHash: String) {
    cache = ReferenceCache(
      directory: configuration.referenceLogProbsCache ?? CacheDirectory.path.map { "\($0)/reference-logps" },
      modelHash: modelHash)
    let usesReference = configuration.objective.usesReference
    areKnownToSteps = usesReference && configuration.precomputesReferenceLogProbs
    needed = usesReference ? (areKnownToSteps ? data.allTrees(of: plan) : []) + data.heldOut : []
  }

  /// The trees whose reference is needed beforehand.
  var trees: [ExampleTree] { needed }

  /// What of them the cache did not have at the start; each content once.
  private(set) lazy var missing: [ExampleTree] = {
    var seen = Set<[UInt8]>()
    return needed.filter { cache.sums(of: $0) == nil && seen.insert($0.contentDigest).inserted }
  }()

  /// The sums of a tree's completions.
  func sums(of tree: ExampleTree) -> [Double]? { cache.sums(of: tree) }

  /// The sums that a step brings along; nil where it computes them itself.
  func sums(ofStepTree tree: ExampleTree) -> [Double]? { areKnownToSteps ? cache.sums(of: tree) : nil }

  /// Keeps sums, on disk where that is possible.
  func insert(_ sums: [[Double]], for trees: [ExampleTree]) {
    for (tree, sums) in zip(trees, sums) { cache.insert(sums, for: tree) }
    // A cache that cannot be written costs time in the next run, nothing else.
    try? cache.save()
  }
}
