// How texts are compared with reference texts.

import ArgumentParser
import Evaluation
import Tensors
import TextMetrics

struct TextMetricArguments: ParsableArguments {
  @Option(help: ArgumentHelp("bertscore: the encoder, a RoBERTa or DeBERTa directory.", valueName: "dir"))
  var encoder: String?

  @Option(help: ArgumentHelp("bertscore: the encoder's layer; by default bert_score's for its name.", valueName: "n"))
  var layer: Int?

  @Flag(help: "bertscore: weigh tokens by how few references have them.")
  var idf = false

  @Option(
    help: ArgumentHelp(
      "bertscore: rescale by a baseline, three numbers P,R,F, or builtin: bert_score's own for the encoder.",
      valueName: "p,r,f"))
  var rescale: String?

  @Flag(help: "rouge: compare words longer than three letters by their stems.")
  var stem = false

  @Option(help: ArgumentHelp("rouge and bertscore: the most tokens of an answer; 512 by default.", valueName: "n"))
  var maxNewTokens: Int?

  func validate(tasks: [String]) throws {
    let hasScore = tasks.contains("bertscore")
    if hasScore, encoder == nil { throw ValidationError("bertscore needs --encoder.") }
    if !hasScore, encoder != nil || layer != nil || idf || rescale != nil {
      throw ValidationError("--encoder, --layer, --idf and --rescale go with the task bertscore.")
    }
    if stem, !tasks.contains("rouge") { throw ValidationError("--stem goes with the task rouge.") }
    if let maxNewTokens {
      guard 1...1_000_000 ~= maxNewTokens else {
        throw ValidationError("--max-new-tokens is \(maxNewTokens), expected 1 to 1000000.")
      }
      guard tasks.contains(where: TaskChoice.textMetrics.contains) else {
        throw ValidationError("--max-new-tokens goes with the tasks rouge and bertscore.")
      }
    }
    _ = try rescaling
  }

  private var rescaling: BertRescaling {
    get throws {
      guard let rescale else { return .none }
      if rescale == "builtin" { return .builtIn }
      let numbers = rescale.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) }
      guard numbers.count == 3, numbers.allSatisfy({ $0.map { $0 < 1 } ?? false }) else {
        throw ValidationError("--rescale is \"\(rescale)\", expected three numbers below 1, or builtin.")
      }
      let known = numbers.compactMap(\.self)
      return .baseline(BertBaseline(precision: known[0], recall: known[1], fMeasure: known[2]))
    }
  }

  /// The metric of a task.
  func metric(_ name: String, threads: Int) throws -> any TextMetric {
    if name == "rouge" { return RougeTask(RougeScorer(usesStemmer: stem)) }
    return BertTask(
      try BertScorer(directory: encoder ?? "", layer: layer, idf: idf, rescale: try rescaling, threads: threads))
  }
}
