// Scores a data set on all ranks: the forward half of training, dispatched the same way.

package import Collectives
package import Corpus
import Model
package import Runtime
import Tensors

/// Log-prob sums of every completion of a data set.
package struct Scoring {
  /// Rank 0's examples.
  private let examples: ExampleList?
  /// Messages for the user, on rank 0.
  package let notices: [String]
  /// Examples that are in memory at a time.
  private static let portion = 4096

  private let world: any Communicator
  private let pass: Pass
  private let count: Int
  private let policy: Policy

  /// Reads the data. Collective.
  /// - Throws: on all ranks alike, `AgreedFailure`, `WorldError`.
  package init(
    _ model: LoadedModel, data: Dataset.Source, world: any Communicator, build: BuildIdentity
  ) throws {
    self.world = world
    let dataset = try world.onCoordinator {
      let (prompting, directory) = (model.opened.prompting, model.opened.directory)
      let encoder = ExampleEncoder(
        tokenizer: prompting.tokenizer, template: prompting.dataTemplate, templateKey: "--chat-template")
      return try Dataset(
        sources: [data], encoder: encoder,
        limit: LengthLimit(sequenceLength: directory.configuration.maximumPositions),
        store: ExampleStore(
          program: build.binary, tokenizer: try ModelDirectory.tokenizerHash(directory: directory.path)))
    }
    examples = dataset?.examples
    notices = [dataset?.report.description, dataset?.notice].compactMap(\.self)
    count = try world.share(dataset?.examples.count)
    var demand = PassDemand()
    demand.includeScoring { [examples] body in
      guard let examples else { return }
      for place in examples.indices { body(examples.outline(place)) }
    }
    demand = try world.share(demand)
    policy = model.policy
    pass = Pass(
      policy.model.configuration, layout: policy.layout, capacity: demand.capacity, positions: demand.positions,
      retention: .none, threads: model.threads)
  }

  /// Scores all examples. Collective.
  /// - Parameter body: called for each example in order, with its sums, on rank 0.
  /// - Throws: `DamagedExamples`, errors of `body`.
  package func run(_ body: (ExampleTree, [Double]) throws -> Void) throws {
    let dispatcher = try Dispatcher(world: world, stop: StopRequest())
    for first in stride(from: 0, to: count, by: Self.portion) {
      let range = first..<min(first + Self.portion, count)
      let trees = try examples.map { examples in try range.map { try examples.tree($0) } }
      let sums = try dispatcher.scoreAll(trees, count: range.count, policy: policy, on: pass)
      guard sums.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw InferenceNotFinite() }
      for (tree, sums) in zip(trees ?? [], sums) { try body(tree, sums) }
    }
    try dispatcher.close()
  }
}
