// Scores a data set on all ranks: the forward half of training, dispatched the same way.

import Checkpoints
package import Collectives
package import Corpus
package import Model
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

  /// Opens model, adapter and data. Collective.
  /// - Parameters:
  ///   - model: a directory or a name of the hub, as `path`.
  ///   - storage: nil: as the adapter was trained.
  ///   - choice: how chats are rendered, if not as the adapter was trained.
  /// - Throws: on all ranks alike, `AgreedFailure`, `WorldError`.
  package init(
    model: String, as storage: WeightStorage?, adapter path: String?, _ choice: Prompting.Choice,
    data: Dataset.Source, world: any Communicator, threads: Int?, build: BuildIdentity
  ) throws {
    self.world = world
    let threads = Threads.count(asked: threads, in: world)
    var opened: (policy: Policy, hash: String)?
    var dataset: Dataset?
    var notices: [String] = []
    try world.agree {
      let directory = try ModelDirectory(HubCache.directory(of: model, for: .model))
      let shape = directory.configuration
      let adapterPath = try path.map { try HubCache.directory(of: $0, for: .adapter) }
      let adapter = try adapterPath.map { try AdapterDirectory($0, model: shape) }
      let hash = try directory.contentHash()
      let prompting = try Prompting(model: directory.path, adapter: adapterPath, choice)
      let origin = path.flatMap { _ in prompting.origin }
      let storage = storage ?? origin?.storage ?? .stored
      let frozen = try LanguageModel(directory, as: storage, modelHash: hash, threads: threads * world.ranksOnNode)
      opened = (try adapter.map { try Policy(frozen, $0) } ?? Policy(frozen), storage.contentHash(modelHash: hash))
      guard world.rank == 0 else { return }
      try prompting.tokenizer.validate(vocabularySize: shape.vocabularySize)
      let encoder = ExampleEncoder(
        tokenizer: prompting.tokenizer, template: prompting.dataTemplate, templateKey: "--chat-template")
      let read = try Dataset(
        sources: [data], encoder: encoder, limit: LengthLimit(sequenceLength: shape.maximumPositions),
        store: ExampleStore(
          program: build.binary, tokenizer: try ModelDirectory.tokenizerHash(directory: directory.path)))
      notices = prompting.notices
      if let origin, let path {
        notices += origin.mismatches(model: model, hash: hash, storage: storage, adapter: path)
      }
      notices += [read.report.description] + [read.notice].compactMap(\.self)
      dataset = read
    }
    guard let opened else { throw DamagedMessage() }
    try build.requireAlike(in: world, modelHash: opened.hash)
    examples = dataset?.examples
    self.notices = notices
    count = try world.share(dataset?.examples.count)
    var demand = PassDemand()
    demand.includeScoring { [examples] body in
      guard let examples else { return }
      for place in examples.indices { body(examples.outline(place)) }
    }
    demand = try world.share(demand)
    policy = opened.policy
    pass = Pass(
      policy.model.configuration, layout: policy.layout, capacity: demand.capacity, positions: demand.positions,
      retention: .none, threads: threads)
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
      for (tree, sums) in zip(trees ?? [], sums) { try body(tree, sums) }
    }
    try dispatcher.close()
  }
}
