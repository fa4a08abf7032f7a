// The reference log-probs that a run needs.

import Checkpoints
import Corpus

/// Rank 0's reference sums: from the cache, or computed once before the run.
final class References {
  private var cache: ReferenceCache
  /// Whether a step's reference sums are known before it begins.
  private let areKnownToSteps: Bool
  /// The trees whose sums the cache lacked at the start, without duplicates.
  let missing: [TrainingData.NeededTree]

  /// - Parameter modelHash: of the reference model.
  /// - Throws: `DamagedExamples`.
  init(_ configuration: RunConfiguration, _ data: TrainingData, _ plan: StepPlan, modelHash: String) throws {
    let cache = ReferenceCache(
      directory: configuration.referenceLogProbsCache ?? CacheDirectory.path.map { "\($0)/reference-logps" },
      modelHash: modelHash)
    self.cache = cache
    let usesReference = configuration.objective.usesReference
    areKnownToSteps = usesReference && configuration.precomputesReferenceLogProbs
    var missing: [TrainingData.NeededTree] = []
    var seen = Set<SIMD2<UInt64>>()
    func visit(_ tree: TrainingData.NeededTree) throws {
      let digest = try data.digest(tree)
      if !cache.contains(digest), seen.insert(digest.half).inserted { missing.append(tree) }
    }
    if areKnownToSteps { try data.forEachStepTree(of: plan, visit) }
    if usesReference { try data.forEachHeldOutTree(visit) }
    self.missing = missing
  }

  /// Visits the outlines of all trees whose sums are needed before the run, and of those that evaluations score.
  func forEachScoredTree(of data: TrainingData, _ plan: StepPlan, _ body: (ExampleTree) -> Void) {
    if areKnownToSteps { data.forEachStepTree(of: plan) { body(data.outline($0)) } }
    for tree in data.heldOut { body(tree) }
  }

  /// The sums of a tree's completions.
  func sums(of tree: ExampleTree) -> [Double]? { cache.sums(of: tree) }

  /// The known sums of a step's tree; nil if the step computes them itself.
  func sums(ofStepTree tree: ExampleTree) -> [Double]? { areKnownToSteps ? cache.sums(of: tree) : nil }

  /// Stores sums, on disk if possible.
  /// - Parameter isLastChance: whether no call may follow.
  func insert(_ sums: [[Double]], for trees: [ExampleTree], isLastChance: Bool) {
    for (tree, sums) in zip(trees, sums) { cache.insert(sums, for: tree) }
    // A cache that cannot be written only costs time in the next run.
    if isLastChance || cache.isWorthSaving { try? cache.save() }
  }
}
