// A model that is only asked, on every rank: the base, an adapter if there is one, and how it is addressed.

import Checkpoints
package import Collectives
import Corpus
package import Model
import Tensors

/// A model with its tokenizer, the same on all ranks.
package struct LoadedModel {
  package let policy: Policy
  package let directory: ModelDirectory
  package let prompting: Prompting
  /// The hash of what is computed with: base, its form, and adapter.
  package let hash: String
  /// Threads per rank.
  package let threads: Int
  /// Messages for the user.
  package let notices: [String]

  /// What to open.
  package struct Request: Sendable {
    /// A directory or a name of the hub.
    package var model: String
    package var adapter: String?
    /// Nil: as the adapter was trained.
    package var storage: WeightStorage?
    /// How chats are rendered, if not as the adapter was trained.
    package var choice: Prompting.Choice
    package var threads: Int?

    package init(
      model: String, adapter: String? = nil, storage: WeightStorage? = nil,
      choice: Prompting.Choice = Prompting.Choice(), threads: Int? = nil
    ) {
      (self.model, self.adapter, self.storage) = (model, adapter, storage)
      (self.choice, self.threads) = (choice, threads)
    }
  }

  /// Opens the model on every rank. Collective.
  /// - Throws: on all ranks alike, `AgreedFailure`, `WorldError`.
  package init(_ request: Request, world: any Communicator, build: BuildIdentity) throws {
    let threads = Threads.count(asked: request.threads, in: world)
    var opened: LoadedModel?
    try world.agree { opened = try LoadedModel(request, threads: threads, ranksOnNode: world.ranksOnNode) }
    guard let opened else { throw DamagedMessage() }
    try build.requireAlike(in: world, modelHash: opened.hash)
    self = opened
  }

  private init(_ request: Request, threads: Int, ranksOnNode: Int) throws {
    directory = try ModelDirectory(HubCache.directory(of: request.model, for: .model))
    let adapterPath = try request.adapter.map { try HubCache.directory(of: $0, for: .adapter) }
    let adapter = try adapterPath.map { [configuration = directory.configuration] in
      try AdapterDirectory($0, model: configuration)
    }
    let modelHash = try directory.contentHash()
    prompting = try Prompting(model: directory.path, adapter: adapterPath, request.choice)
    try prompting.tokenizer.validate(vocabularySize: directory.configuration.vocabularySize)
    let origin = request.adapter.flatMap { [prompting] _ in prompting.origin }
    let storage = request.storage ?? origin?.storage ?? .stored
    let frozen = try LanguageModel(directory, as: storage, modelHash: modelHash, threads: threads * ranksOnNode)
    policy = try adapter.map { try Policy(frozen, $0) } ?? Policy(frozen)
    let adapterHashes = try adapterPath.map { path in
      try ["adapter_model.safetensors", "adapter_config.json"].map { try ContentHash().sha256(ofFile: "\(path)/\($0)") }
    }
    hash = ([storage.contentHash(modelHash: modelHash)] + (adapterHashes ?? [])).joined(separator: "+")
    self.threads = threads
    var notices = prompting.notices
    if let origin, let path = request.adapter {
      notices += origin.mismatches(model: request.model, hash: modelHash, storage: storage, adapter: path)
    }
    self.notices = notices
  }
}
