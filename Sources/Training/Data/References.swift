// The reference log-probs that a run needs.

import Checkpoints
import Corpus

/// Rank 0's reference sums: from the cache, or computed once before the run.
final class References {
  private var cache: ReferenceCache
  /// Trees whose reference sums are needed before the run.
  private let needed: [ExampleTree]
  /// Whether a step's reference sums are known before it begins.
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

  /// The trees whose reference sums are needed before the run.
  var trees: [ExampleTree] { needed }

  /// The needed trees that the cache lacked at the start, without duplicates.
  private(set) lazy var missing: [ExampleTree] = {
    var seen = Set<[UInt8]>()
    return needed.filter { cache.sums(of: $0) == nil && seen.insert($0.contentDigest).inserted }
  }()

  /// The sums of a tree's completions.
  func sums(of tree: ExampleTree) -> [Double]? { cache.sums(of: tree) }

  /// The known sums of a step's tree; nil if the step computes them itself.
  func sums(ofStepTree tree: ExampleTree) -> [Double]? { areKnownToSteps ? cache.sums(of: tree) : nil }

  /// Stores sums, on disk if possible.
  func insert(_ sums: [[Double]], for trees: [ExampleTree]) {
    for (tree, sums) in zip(trees, sums) { cache.insert(sums, for: tree) }
    // A cache that cannot be written only costs time in the next run.
    try? cache.save()
  }
}
