import Checkpoints
import Corpus
import Evaluation
import Foundation
import Model
import Runtime
import TestSupport
import Testing

/// Says that a text is as likely as it is short.
private final class ShortModel: Inference {
  func logLikelihoods(_ requests: [LikelihoodRequest]) throws -> [Likelihood] {
    requests.map { Likelihood(tokens: $0.continuation.map { _ in -0.5 }, isGreedy: false) }
  }

  func generate(_ requests: [GenerationRequest]) throws -> [Answer] {
    requests.map { Answer(ids: Array($0.prompt.suffix(2)), finishReason: .length) }
  }
}

/// The length of a text over that of its first reference.
private struct LengthMetric: TextMetric {
  let name = "length"
  let valueNames = ["ratio", "count"]

  func values(predictions: [String], references: [[String]]) throws -> [[Double]] {
    zip(predictions, references).map { [Double($0.count) / Double($1[0].count), Double($1.count)] }
  }
}

/// Tasks that lm-eval does not have, and results as a whole.
struct OwnTaskTests {
  private let tokenizer: Tokenizer
  private let directory: TemporaryDirectory

  init() throws {
    tokenizer = try HarnessCase.tokenizer.get()
    directory = try TemporaryDirectory()
  }

  private func outcome(_ run: TaskRun, _ settings: EvaluationSettings = .init()) throws -> TaskOutcome {
    let tokens = try RequestTokens(tokenizer, maximumLength: 64)
    return try Evaluation([run], tokens, stopIDs: [], settings).outcomes(ShortModel())[0]
  }

  private func value(_ outcome: TaskOutcome, _ name: String) -> Double? {
    outcome.metrics.first { $0.name == name }?.value
  }

  @Test func `preference compares sums, means and margins`() throws {
    let path = try directory.write(
      "pairs.jsonl",
      """
      {"prompt": "Say a word: ", "chosen": "a", "rejected": "a b c d e f"}
      {"prompt": "Say a word: ", "chosen": "one two three", "rejected": "one"}

      """)
    let encoder = ExampleEncoder(tokenizer: tokenizer, template: nil)
    let run = try TaskRun.preference(
      TaskDocuments(path: path), encoder, tokenizer: tokenizer, data: path, EvaluationSettings())
    let outcome = try outcome(run)
    let margins = run.items.map { item in
      let counts = item.requests.map { request in
        if case .tokens(_, let ids, _) = request { ids.count } else { 0 }
      }
      return 0.5 * Double(counts[1] - counts[0])
    }
    #expect(margins[0] > 0 && margins[1] < 0)
    #expect(value(outcome, "accuracy") == 0.5)
    #expect(value(outcome, "accuracy_norm") == 0)
    #expect(value(outcome, "margin") == (margins[0] + margins[1]) / 2)
    let sure = margins.map { 1 / (1 + exp(-abs($0))) }
    // Each pair is alone in its bin: one right, one wrong.
    let expected = Int(sure[0] * 10) == Int(sure[1] * 10) ? abs(1 - sure[0] - sure[1]) / 2 : (1 - sure[0] + sure[1]) / 2
    #expect(abs((value(outcome, "ece") ?? 0) - expected) < 1e-15)
    try directory.write("bad.jsonl", "{\"prompt\": \"x\", \"chosen\": \"y\"}\n")
    #expect(throws: CorpusError.self) {
      try TaskRun.preference(
        TaskDocuments(path: directory.path("bad.jsonl")), encoder, tokenizer: tokenizer, data: "", .init())
    }
  }

  @Test func `perplexity divides by tokens, words and bytes`() throws {
    let path = try directory.write("texts.jsonl", "{\"text\": \"one two\"}\n{\"text\": \"three\"}\n")
    let outcome = try outcome(BuiltInTasks.runs("perplexity", data: path, .init()).runs[0])
    let count = Double(tokenizer.encode("one two").count + tokenizer.encode("three").count)
    #expect(abs((value(outcome, "token_perplexity") ?? 0) - exp(0.5)) < 1e-14)
    #expect(abs((value(outcome, "word_perplexity") ?? 0) - exp(0.5 * count / 3)) < 1e-12)
    #expect(abs((value(outcome, "byte_perplexity") ?? 0) - exp(0.5 * count / 12)) < 1e-13)
    #expect(abs((value(outcome, "bits_per_byte") ?? 0) - 0.5 * count / 12 / log(2)) < 1e-13)
  }

  @Test func `texts are given, or answers to prompts`() throws {
    let path = try directory.write(
      "texts.jsonl",
      """
      {"prompt": "five six seven", "prediction": "abcd", "reference": "ab"}
      {"prompt": "one two three four", "prediction": "abc", "reference": ["ab", "cd"]}

      """)
    let documents = try TaskDocuments(path: path)
    let answers = try AnswerSettings([.init("max_gen_toks", 2)], repeats: 1)
    let run = try TaskRun.texts(LengthMetric(), documents, answers: answers, chat: nil, data: path, .init())
    let outcome = try outcome(run)
    // A model answers, whatever text is there.
    let texts = ["five six seven", "one two three four"].map {
      tokenizer.decode(Array(tokenizer.encode($0).suffix(2)))
    }
    #expect(value(outcome, "ratio") == texts.reduce(0) { $0 + Double($1.count) / 2 } / 2)
    #expect(value(outcome, "count") == 1.5)
    #expect(outcome.samples.map { $0["resps"] } == texts.map { [[.string($0)]] })
    let given = try TaskOutcome(TaskRun.texts(LengthMetric(), documents, answers: nil, chat: nil, data: path, .init()))
    #expect(value(given, "ratio") == (2 + 1.5) / 2)
    let bare = try TaskDocuments(path: directory.write("bare.jsonl", "{\"prompt\": \"x\", \"reference\": \"y\"}\n"))
    #expect(throws: EvaluationError.self) {
      try TaskRun.texts(LengthMetric(), bare, answers: nil, chat: nil, data: path, .init())
    }
  }

  @Test func `programs run only where that is asked for`() throws {
    let data = "\(HarnessCase.directory)/humaneval.jsonl"
    #expect { try BuiltInTasks.runs("humaneval", data: data, .init()) } throws: {
      "\($0)".contains("--allow-code-execution")
    }
  }

  @Test func `subjects are groups, and results are one file`() throws {
    var lines = ""
    for (subject, count) in [("virology", 3), ("anatomy", 5), ("marketing", 2)] {
      for number in 0..<count {
        lines +=
          #"{"question":"q\#(number)","subject":"\#(subject)","choices":["a","b","c","d"],"answer":\#(number % 4)}"#
          + "\n"
      }
    }
    let path = try directory.write("mmlu.jsonl", lines)
    var settings = EvaluationSettings()
    settings.shotCount = 1
    let (runs, groups) = try BuiltInTasks.runs("mmlu", data: path, settings)
    #expect(runs.map(\.name) == ["mmlu_anatomy", "mmlu_marketing", "mmlu_virology"])
    let tokens = try RequestTokens(tokenizer, maximumLength: 128)
    let outcomes = try Evaluation(runs, tokens, stopIDs: [], settings).outcomes(ShortModel())
    let report = EvaluationReport(outcomes, groups: groups, configuration: [.init("model", "own")])
    let text = report.text(date: 1, seconds: 2)
    let json = try JSONValue.parse(text)
    #expect(json["group_subtasks"]?["mmlu"] == ["mmlu_stem", "mmlu_other"])
    #expect(json["group_subtasks"]?["mmlu_other"] == ["mmlu_marketing", "mmlu_virology"])
    // The first choice always: right for documents 0 and 4.
    let group = try #require(json["results"]?["mmlu"])
    #expect(group["acc,none"]?.double == 0.4)
    #expect(group["sample_len"] == 10)
    // (n - 1) n stderr^2 of n values of which a share p is 1, with stderr^2 = p (1 - p) / (n - 1).
    let errors: [Double] = [5 * 0.4 * 0.6, 2 * 0.5 * 0.5, 3.0 * 1 / 3 * 2 / 3]
    let pooled = errors.reduce(0, +) / 7 / 10
    #expect(abs((group["acc_stderr,none"]?.double ?? 0) - pooled.squareRoot()) < 1e-15)
    #expect(json["versions"]?["mmlu"] == "2")
    #expect(json["n-shot"]?["mmlu_stem"] == 1)
    #expect(json["n-samples"]?["mmlu_anatomy"] == ["original": 5, "effective": 5])
    #expect(json["higher_is_better"]?["mmlu"]?["acc"] == true)
    #expect(report.text(date: 1, seconds: 2) == text)
    let samples = EvaluationReport.samples(outcomes[0]).split(separator: "\n")
    #expect(samples.count == 5)
    let sample = try JSONValue.parse(String(samples[0]))
    #expect(sample["arguments"]?["gen_args_3"]?["arg_1"] == " D")
  }
}
