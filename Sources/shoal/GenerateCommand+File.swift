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
      let target = try world.onCoordinator {
        try OutputTarget(
          file: out, overwrites: overwrite, inputs: arguments.inputs + [InputPath(file, "--file")])
      }
      let opened = try world.agree { try arguments.open() }
      let requests = try world.onCoordinator { try self.requests(file, opened) } ?? []
      let model = try LoadedModel(opened, threads: arguments.inference.threads, world: world, build: .running())
      let job = try InferenceJob(model, world: world, output: target, what: "answers")
      let (code, text) = try job.ask { session in
        job.tell(try session.forecast([], requests))
        let tokenizer = opened.prompting.tokenizer
        return try session.generate(requests).enumerated().map { line($0, $1, tokenizer) + "\n" }.joined()
      }
      try world.agree { if let text { try job.finish(text) } }
      return code
    }
  }

  private func requests(_ file: String, _ model: OpenedModel) throws -> [GenerationRequest] {
    for notice in try model.notices() { Console.print(notice) }
    let context = model.configuration.maximumPositions
    let defaults = try model.prompting.generation(model.configuration)
    let encoder = PromptEncoder(model.prompting, isRaw: raw, allowsSpecial: allowSpecial)
    let requests = try encoder.prompts(ofFile: file).enumerated().map { index, ids in
      var options = try options(defaults, prompt: ids.count, context: context)
      // Equal prompts get draws of their own.
      options.stream = UInt64(index)
      guard ids.count + options.maximumNewTokens <= context else {
        let excess = GenerationError.contextExceeded(
          prompt: ids.count, new: options.maximumNewTokens, limit: context)
        throw ContentError(file, "record \(index): \(excess)")
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
