// The model of a command.

import ArgumentParser
import Checkpoints
import Model
import Runtime
import Tensors

struct ModelArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The model: a directory, or a name of the hub that its cache has.", valueName: "dir"))
  var model: String

  @OptionGroup var inference: InferenceArguments

  var adapter: String? { inference.adapter }
  var chat: ChatArguments { inference.chat }

  /// What is read, for the check that no output is an input.
  var inputs: [InputPath] { InferenceArguments.inputs(model: model, adapter: adapter) }

  func open() throws -> OpenedModel { try OpenedModel(inference.request(model, adapter: adapter)) }

  /// Threads of a command with one process.
  var threadsAlone: Int { inference.threads ?? ProcessorSet.boundCount }

  /// Loads the weights of a command with one process, after the notices.
  func load(_ opened: OpenedModel) throws -> LanguageModel {
    for notice in try opened.notices() { Console.print(notice) }
    return try opened.base(threads: threadsAlone) { count, form in
      Console.print("\(model): quantising \(count) layers to \(form), once")
    }
  }
}

extension GenerationDefaults {
  func printIgnoredKeys(draws: Bool) {
    let keys = ignoredKeys(draws: draws)
    if !keys.isEmpty { Console.print("\(Self.name): not supported: \(keys.joined(separator: ", "))") }
  }
}
