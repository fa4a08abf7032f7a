// A model that is only asked: the base, an adapter if there is one, and how it is addressed. Its weights come last, so
// that mistakes in what is asked are found before they are quantised.

import Checkpoints
import Corpus
package import Model
import Tensors

/// A model without its weights. Model, adapter and tokenizer fit together.
package struct OpenedModel {
  /// What to open.
  package struct Request: Sendable {
    /// A directory or a name of the hub.
    package var model: String
    package var adapter: String?
    /// Nil: as the adapter was trained.
    package var storage: WeightStorage?
    /// How chats are rendered, if not as the adapter was trained.
    package var choice: Prompting.Choice

    package init(
      model: String, adapter: String? = nil, storage: WeightStorage? = nil,
      choice: Prompting.Choice = Prompting.Choice()
    ) {
      (self.model, self.adapter, self.storage, self.choice) = (model, adapter, storage, choice)
    }
  }

  package let directory: ModelDirectory
  package let prompting: Prompting
  private let request: Request
  private let adapter: AdapterDirectory?

  /// - Throws: `FileError`, `ContentError`, `TokenizerError`, `HubRefusal`.
  package init(_ request: Request) throws {
    self.request = request
    directory = try ModelDirectory(HubCache.directory(of: request.model, for: .model))
    let adapterPath = try request.adapter.map { try HubCache.directory(of: $0, for: .adapter) }
    prompting = try Prompting(model: directory.path, adapter: adapterPath, request.choice)
    try prompting.tokenizer.validate(vocabularySize: directory.configuration.vocabularySize)
    adapter = try adapterPath.map { [directory] in try AdapterDirectory($0, model: directory.configuration) }
  }

  package var configuration: ModelConfiguration { directory.configuration }

  /// What is known about the training of the adapter.
  private var origin: AdapterOrigin? { request.adapter == nil ? nil : prompting.origin }
  private var storage: WeightStorage { request.storage ?? origin?.storage ?? .stored }

  /// What the user should know: how chats are rendered, and in what the model differs from the one that the adapter was
  /// trained on.
  /// - Throws: `FileError`.
  package func notices() throws -> [String] {
    guard let origin, let adapter = request.adapter else { return prompting.notices }
    return prompting.notices
      + origin.mismatches(model: request.model, hash: try directory.contentHash(), storage: storage, adapter: adapter)
  }

  /// Identifies what is computed with: the base, its form, and the adapter.
  /// - Throws: `FileError`.
  package func contentHash() throws -> String {
    let parts = try adapter.map { adapter in
      try [AdapterDirectory.weightsName, AdapterDirectory.configurationName].map {
        try ContentHash().sha256(ofFile: "\(adapter.path)/\($0)")
      }
    }
    let base = storage.contentHash(modelHash: try directory.contentHash())
    return ([base] + (parts ?? [])).joined(separator: "+")
  }

  /// The base's weights.
  /// - Parameter onQuantize: called before layers are quantised, with their number and the form.
  /// - Throws: as `LanguageModel`.
  package func base(threads: Int, onQuantize: @escaping (_ layers: Int, _ form: String) -> Void = { _, _ in }) throws
    -> LanguageModel
  {
    guard let form = storage.form else { return LanguageModel(directory) }
    return try LanguageModel(directory, as: storage, modelHash: directory.contentHash(), threads: threads) {
      done, count in
      if done == 1 { onQuantize(count, form.name) }
    }
  }

  /// The base with the adapter, or without.
  package func policy(_ base: LanguageModel, adapted: Bool = true) throws -> Policy {
    guard adapted, let adapter else { return Policy(base) }
    return try Policy(base, adapter)
  }
}
