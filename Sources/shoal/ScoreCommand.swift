// `shoal score`: log-probs of completions, one line per example.

import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Foundation
import Model
import Runtime
import Tensors
import Training

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score", abstract: "Log-probability sums of completions under a model.",
    discussion: """
      Writes one JSON object per example, in order: sums over completion tokens in nats, and the tokens counted.

      Example: shoal score --model models/Qwen2-0.5B-Instruct --adapter runs/dpo --data pairs.jsonl --out scores.jsonl
      """)

  @OptionGroup var arguments: ModelArguments

  @Option(help: ArgumentHelp("Preference records, or records of one completion.", valueName: "file"))
  var data: String

  @Option(
    help: ArgumentHelp("The records' format, as datasets.type; TRL's are found from the fields.", valueName: "name"))
  var type: String?

  @Option(
    help: ArgumentHelp(
      "Special tokens that the records' texts spell: parse or text, as special_tokens_in_text of a data set.",
      valueName: "what"))
  var specialTokensInText: Dataset.SpecialTokensInText?

  @Option(help: ArgumentHelp("The file to write; - is standard output.", valueName: "file"))
  var out: String

  @Flag(help: "Replace the file that --out names.")
  var overwrite = false

  func validate() throws { do { _ = try dataType } catch { throw ValidationError("--type: \(error)") } }

  private var dataType: DatasetType? { get throws { try type.map { try DatasetType(named: $0) } } }

  func run() {
    runInWorld { world in
      // Check before the work, not after it.
      let target = try world.onCoordinator { try self.target }
      var source = Dataset.Source(paths: [data])
      source.type = try dataType
      source.specialTokens = specialTokensInText
      let build = try BuildIdentity.running()
      let opened = try world.agree { try arguments.open() }
      if world.rank == 0 { for notice in try opened.notices() { Console.print(notice) } }
      let model = try LoadedModel(opened, threads: arguments.inference.threads, world: world, build: build)
      let scoring = try Scoring(model, data: source, world: world, build: build)
      for notice in scoring.notices { Console.print(notice) }
      var lines = ""
      try scoring.run { lines += line($0, $1) + "\n" }
      try target?.write(lines)
      return 0
    }
  }

  private var target: OutputTarget {
    get throws {
      try OutputTarget(file: out, overwrites: overwrite, inputs: arguments.inputs + [InputPath(data, "--data")])
    }
  }

  private func line(_ tree: ExampleTree, _ sums: [Double]) -> String {
    let names = sums.count == 2 ? ["chosen", "rejected"] : ["completion"]
    let completions = zip(names, sums).enumerated().map { place, sum in
      JSONValue.Member(sum.0, ["logp": .number(sum.1), "tokens": .integer(Int64(tree.scoredCount(place)))])
    }
    return JSONValue.object([.init("index", .integer(Int64(tree.index)))] + completions).serialized()
  }
}

extension Dataset.SpecialTokensInText: ExpressibleByArgument {}
