// `shoal generate --file`: answers many prompts at once, on all ranks.

import Checkpoints
import Collectives
import Corpus
import Foundation
import Model
import Runtime
import Tensors

extension GenerateCommand {
  /// Answers the prompts of a file.
  func answer(_ file: String, into out: String) -> Never {
    runInWorld { world in
      let target = try target(file, out, world)
      let model = try LoadedModel(arguments.request, world: world, build: try .running())
      var requests: [GenerationRequest] = []
      try world.agree { if world.rank == 0 { requests = try self.requests(file, model) } }
      return try InferenceJob(model, world: world, output: target, what: "answers").run { session in
        let answers = try session.generate(requests)
        let tokenizer = model.prompting.tokenizer
        return answers.enumerated().map { line($0, $1, tokenizer) + "\n" }.joined()
      }
    }
  }

  /// Checks the output before the work. Collective.
  private func target(_ file: String, _ out: String, _ world: any Communicator) throws -> OutputTarget? {
    var target: OutputTarget?
    try world.agree {
      guard world.rank == 0 else { return }
      target = try OutputTarget(
        file: out, overwrites: overwrite, inputs: arguments.inputs + [InputPath(file, "--file")])
    }
    return target
  }

  private func requests(_ file: String, _ model: LoadedModel) throws -> [GenerationRequest] {
    for notice in model.notices { Console.print(notice) }
    let configuration = model.directory.configuration
    let defaults = try model.prompting.generation(configuration)
    let prompts = try PromptFile(file, model.prompting, isRaw: raw, allowSpecial: allowSpecial).prompts
    let requests = try prompts.enumerated().map { index, ids in
      var options = try options(defaults, prompt: ids.count, context: configuration.maximumPositions)
      // Equal prompts get draws of their own.
      options.stream = UInt64(index)
      guard !ids.isEmpty else { throw ContentError(file, "record \(index) is an empty prompt") }
      guard ids.count + options.maximumNewTokens <= configuration.maximumPositions else {
        throw ContentError(
          file,
          "record \(index): "
            + GenerationError.contextExceeded(
              prompt: ids.count, new: options.maximumNewTokens, limit: configuration.maximumPositions
            ).description)
      }
      return GenerationRequest(prompt: ids, options)
    }
    defaults.printIgnoredKeys(draws: requests.contains { $0.options.rules.draws })
    return requests
  }

  private func line(_ index: Int, _ answer: Answer, _ tokenizer: Tokenizer) -> String {
    let value: JSONValue = [
      "index": .integer(Int64(index)), "text": .string(TextStream.text(of: answer.ids, tokenizer)),
      "ids": .array(answer.ids.map { .integer(Int64($0)) }), "finish_reason": .string(answer.finishReason.rawValue),
    ]
    return value.serialized()
  }
}
