// The model of a command. For commands with one process, also checks that model, adapter and tokenizer fit together.

import ArgumentParser
import Checkpoints
import Corpus
import Model
import Tensors

struct ModelArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The model's directory.", valueName: "dir"))
  var model: String

  @Option(help: ArgumentHelp("An adapter's directory: a run, a checkpoint or PEFT's.", valueName: "dir"))
  var adapter: String?

  @Flag(
    name: .customLong("load-in-4bit"),
    help: "Hold the frozen linear layers in 4 bits (NF4), as load_in_4bit in training.")
  var loadIn4Bit = false

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
}

/// A model without its weights.
struct OpenedModel {
  let configuration: ModelConfiguration
  let defaults: GenerationDefaults
  let tokenizer: Tokenizer
  let adapter: Adapter?
  let threads: Int
  private let arguments: ModelArguments
  private let directory: ModelDirectory

  init(_ arguments: ModelArguments) throws {
    self.arguments = arguments
    directory = try ModelDirectory(arguments.model)
    let configuration = directory.configuration
    self.configuration = configuration
    defaults = try GenerationDefaults(directory: arguments.model, configuration)
    tokenizer = try Tokenizer(directory: arguments.model)
    try tokenizer.validate(vocabularySize: configuration.vocabularySize)
    adapter = try arguments.adapter.map {
      try Adapter(AdapterDirectory($0, model: configuration), model: configuration)
    }
    threads = arguments.threads ?? ProcessorSet.boundCount
  }

  /// - Throws: `TokenizerError` when the model has no known template.
  func chatTemplate() throws -> ChatTemplate { try ChatTemplate(directory: arguments.model, tokenizer: tokenizer) }

  func load() throws -> Qwen2 {
    guard arguments.loadIn4Bit else { return Qwen2(directory) }
    return try Qwen2(directory, as: .nf4, modelHash: try directory.contentHash(), threads: threads) { done, count in
      if done == 1 { Console.print("\(arguments.model): quantising \(count) layers to NF4, once") }
    }
  }
}
