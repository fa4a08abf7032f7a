// Scores texts for the scripts of Tests/Parity: a JSON object per line of standard input, a list of numbers per line of
// standard output.

import Checkpoints
import Tensors
import TextMetrics

/// The commands: `rouge`; `bert DIRECTORY LAYER IDF THREADS P,R,F|none`.
@main
enum TextScores {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "rouge": try rouge()
    case "bert" where arguments.count == 6: try bert(Array(arguments.dropFirst()))
    default: throw TextMetricError("usage: text-scores rouge | bert DIRECTORY LAYER IDF THREADS P,R,F|none")
    }
  }

  /// `{"stem": true, "references": [...], "prediction": "..."}` to the twelve numbers of the four metrics.
  private static func rouge() throws {
    while let line = readLine() {
      let item = try JSONValue.parse(line)
      let scorer = RougeScorer(usesStemmer: item["stem"]?.bool ?? false)
      let scores = scorer.scores(references: texts(item["references"]), prediction: item["prediction"]?.string ?? "")
      print(scores.flatMap { [$0.precision, $0.recall, $0.fMeasure] })
    }
  }

  /// `{"references": [...], "prediction": "..."}` on every line to the three numbers of each.
  private static func bert(_ arguments: [String]) throws {
    let numbers = arguments[4].split(separator: ",").compactMap { Float($0) }
    let rescale: BertRescaling =
      numbers.count == 3
      ? .baseline(BertBaseline(precision: numbers[0], recall: numbers[1], fMeasure: numbers[2])) : .none
    let scorer = try BertScorer(
      directory: arguments[0], layer: Int(arguments[1]), idf: arguments[2] == "idf", rescale: rescale,
      threads: Int(arguments[3]) ?? 1)
    var (predictions, references): ([String], [[String]]) = ([], [])
    while let line = readLine() {
      let item = try JSONValue.parse(line)
      predictions.append(item["prediction"]?.string ?? "")
      references.append(texts(item["references"]))
    }
    for score in try scorer.scores(predictions: predictions, references: references) {
      print([score.precision, score.recall, score.fMeasure])
    }
  }

  private static func texts(_ value: JSONValue?) -> [String] { value?.array?.compactMap(\.string) ?? [] }
}
