// The model of a command. For commands with one process, also checks that model, adapter and tokenizer fit together.

import ArgumentParser
import Checkpoints
import Corpus
import Model
import Runtime
import Tensors

struct ModelArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The model: a directory, or a name of the hub that its cache has.", valueName: "dir"))
  var model: String

  @Option(help: ArgumentHelp("An adapter: a run, a checkpoint, PEFT's, or a name of the hub.", valueName: "dir"))
  var adapter: String?

  @Flag(
    name: .customLong("load-in-4bit"), inversion: .prefixedNo,
    help: ArgumentHelp(
      "Hold the frozen linear layers in 4 bits (NF4), as load_in_4bit in training; by default as the adapter was "
        + "trained."))
  var loadIn4Bit: Bool?

  @OptionGroup var chat: ChatArguments

  @Option(help: ArgumentHelp("Threads per rank; by default this node's cores / this node's ranks.", valueName: "t"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1_000_000_000 ~= threads) {
      throw ValidationError("--threads is \(threads), expected 1 to 1000000000.")
    }
  }

  /// What is read, for the check that no output is an input.
  var inputs: [InputPath] {
    InputPath.model(model, "--model") + (adapter.map { InputPath.model($0, "--adapter") } ?? [])
  }

  func open() throws -> OpenedModel { try OpenedModel(self) }

  /// The same for all ranks of a world.
  var request: LoadedModel.Request {
    LoadedModel.Request(
      model: model, adapter: adapter, storage: storage, choice: chat.choice, threads: threads)
  }

  /// How the base is held: as asked, or as the adapter was trained.
  var storage: WeightStorage? { loadIn4Bit.map { $0 ? .nf4 : .stored } }
}

/// A model without its weights.
struct OpenedModel {
  let configuration: ModelConfiguration
  let prompting: Prompting
  let defaults: GenerationDefaults
  private let adapter: AdapterDirectory?
  let threads: Int
  private let arguments: ModelArguments
  private let directory: ModelDirectory

  init(_ arguments: ModelArguments) throws {
    self.arguments = arguments
    directory = try ModelDirectory(HubCache.directory(of: arguments.model, for: .model))
    let adapterPath = try arguments.adapter.map { try HubCache.directory(of: $0, for: .adapter) }
    let configuration = directory.configuration
    self.configuration = configuration
    prompting = try Prompting(model: directory.path, adapter: adapterPath, arguments.chat.choice)
    defaults = try prompting.generation(configuration)
    try prompting.tokenizer.validate(vocabularySize: configuration.vocabularySize)
    adapter = try adapterPath.map {
      try AdapterDirectory($0, model: configuration)
    }
    threads = arguments.threads ?? ProcessorSet.boundCount
  }

  var tokenizer: Tokenizer { prompting.tokenizer }

  var hasAdapter: Bool { adapter != nil }

  /// The loaded base with the adapter, or without.
  func policy(_ base: LanguageModel, adapted: Bool = true) throws -> Policy {
    guard adapted, let adapter else { return Policy(base) }
    return try Policy(base, adapter)
  }

  /// Loads the weights, and says in what the model differs from the one that the adapter was trained on.
  func load() throws -> LanguageModel {
    for notice in prompting.notices { Console.print(notice) }
    let origin = arguments.adapter.flatMap { _ in prompting.origin }
    let storage = arguments.storage ?? origin?.storage ?? .stored
    guard storage == .nf4 || origin != nil else { return LanguageModel(directory) }
    let hash = try directory.contentHash()
    if let origin, let adapter = arguments.adapter {
      for warning in origin.mismatches(model: arguments.model, hash: hash, storage: storage, adapter: adapter) {
        Console.print(warning)
      }
    }
    return try LanguageModel(directory, as: storage, modelHash: hash, threads: threads) { done, count in
      if done == 1 { Console.print("\(arguments.model): quantising \(count) layers to NF4, once") }
    }
  }
}

extension GenerationDefaults {
  func printIgnoredKeys(draws: Bool) {
    let keys = ignoredKeys(draws: draws)
    if !keys.isEmpty { Console.print("\(Self.name): not supported: \(keys.joined(separator: ", "))") }
  }
}
