// `shoal score`: log-probs of completions, one line per example.

import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Foundation
import Model
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

  @Option(help: ArgumentHelp("The file to write.", valueName: "file"))
  var out: String

  func validate() throws { do { _ = try dataType } catch { throw ValidationError("--type: \(error)") } }

  private var dataType: DatasetType? { get throws { try type.map { try DatasetType(named: $0) } } }

  func run() {
    runInWorld { world in
      // Check before the work, not after it.
      try world.agreeOnFailure(local: world.rank == 0 ? unwritable : nil)
      var source = Dataset.Source(paths: [data])
      source.type = try dataType
      source.specialTokens = specialTokensInText
      let scoring = try Scoring(
        model: arguments.model, as: arguments.storage, adapter: arguments.adapter, arguments.chat.choice,
        data: source, world: world, threads: arguments.threads, build: try .running())
      for notice in scoring.notices { Console.print(notice) }
      let sums = try scoring.run()
      if world.rank == 0 {
        let lines = zip(scoring.examples ?? [], sums).map { line($0, $1) + "\n" }
        try AtomicFile.write(lines.joined(), to: out, permissions: .umask)
      }
      return 0
    }
  }

  /// The reason why `out` cannot be written, as far as its directory shows.
  private var unwritable: FileError? {
    let directory = out.lastIndex(of: "/").map { $0 == out.startIndex ? "/" : String(out[..<$0]) } ?? "."
    return access(directory, W_OK) == 0
      ? nil : FileError(path: directory, action: "write to the directory", code: errno)
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
