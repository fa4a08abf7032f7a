import Checkpoints
import Corpus
import Evaluation
import Foundation
import Model
import Runtime
import TestSupport
import Testing

/// What lm-evaluation-harness 0.4.13 makes of the fixture's documents.
struct HarnessTests {
  private static func short(_ value: JSONValue) -> String {
    // As json.dumps(separators=(",", ":"), ensure_ascii=False).
    short(value.serialized())
  }

  private static func short(_ text: String) -> String { String(SHA256.text(of: Array(text.utf8)).prefix(16)) }

  @Test func `there are cases`() {
    #expect(HarnessCase.all.count >= 80)
    #expect(Set(HarnessCase.all.map(\.task)).count >= 16)
  }

  @Test(arguments: HarnessCase.all) func `prompts, ids and metrics are the harness's`(harness: HarnessCase) throws {
    let tokenizer = try HarnessCase.tokenizer.get()
    let expected = harness.expected
    let run = try harness.runs()[0]
    let samples = run.items.map { item in
      JSONValue.array(item.requests.map { request in Self.arguments(request, run.answers?.shown) })
    }
    let first = samples.first?.array?.first?.array?.first?.string
    let last = samples.last?.array?.last?.array?.first?.string
    #expect(first == expected["first"]?.string)
    if let text = expected["last"]?.string { #expect(last == text) }
    // One sample for each document and filter.
    let lines = run.filters.flatMap { _ in samples.map(Self.short) }
    #expect(lines == expected["arguments"]?.array?.compactMap(\.string))

    let answers = HarnessCase.definitions["answers"]?.array?.compactMap(\.string) ?? []
    let model = HashedModel(tokenizer, answers: answers)
    let tokens = try RequestTokens(tokenizer, maximumLength: 1200)
    let outcome = try Evaluation([run], tokens, stopIDs: [], harness.settings()).outcomes(model)[0]
    if let ids = expected["first_ids"] { #expect(model.requests.first.map(JSONValue.array) == ids) }
    #expect(
      Self.short(.array(model.requests.sorted(by: Self.precedes).map(JSONValue.array))) == expected["ids"]?.string)
    try compare(outcome, expected)
  }

  private func compare(_ outcome: TaskOutcome, _ expected: JSONValue) throws {
    let metrics = JSONValue.object(
      outcome.metrics.flatMap { metric -> [JSONValue.Member] in
        [
          .init(metric.key, .number(metric.value)),
          .init(metric.errorKey, metric.standardError.map(JSONValue.number) ?? "N/A"),
        ]
      })
    for metric in expected["metrics"]?.members ?? [] where metric.name.contains(",") {
      if let number = metric.value.double {
        let found = try #require(metrics[metric.name]?.double, "\(metric.name)")
        #expect(abs(found - number) <= 1e-12 * max(1, abs(number)), "\(metric.name)")
      } else {
        #expect(metrics[metric.name] == metric.value, "\(metric.name)")
      }
    }
    #expect(expected["metrics"]?["sample_len"]?.int == outcome.documentCount.evaluated)
    #expect(expected["n-samples"]?["original"]?.int == outcome.documentCount.all)
    #expect(expected["n-shot"]?.int == outcome.shotCount)
    #expect(PythonText.string(expected["version"] ?? .null) == PythonText.string(outcome.version))
    for direction in expected["higher_is_better"]?.members ?? [] {
      #expect(JSONValue.object(outcome.higherIsBetter)[direction.name] == direction.value, "\(direction.name)")
    }
    let samples = outcome.samples
    let hashes = samples.map { sample in
      JSONValue.array(["doc_hash", "prompt_hash", "target_hash"].map { sample[$0] ?? .null })
    }
    #expect(Self.short(.array(hashes)) == expected["hashes"]?.string)
    #expect(Self.short(.array(samples.map { $0["filtered_resps"] ?? .null })) == expected["filtered"]?.string)
    for (sample, values) in zip(samples, expected["values"]?.array ?? []) {
      for value in values.members ?? [] where value.name != "brier_score" {
        if let number = value.value.double {
          #expect(sample[value.name]?.double == number, "\(value.name) of \(sample["doc_id"]?.int ?? -1)")
        } else {
          #expect(sample[value.name] == value.value, "\(value.name)")
        }
      }
    }
    for (sample, responses) in zip(samples, expected["resps"]?.array ?? []) { #expect(sample["resps"] == responses) }
  }

  private static func arguments(_ request: TaskRequest, _ settings: [JSONValue.Member]?) -> JSONValue {
    switch request {
    case .likelihood(let context, let continuation): [.string(context), .string(continuation)]
    case .rolling(let text): [.string(text)]
    case .answer(let prompt): [.string(prompt), .object(settings ?? [])]
    case .tokens: []
    }
  }

  private static func precedes(_ first: [JSONValue], _ second: [JSONValue]) -> Bool {
    for (one, other) in zip(first, second) where one != other {
      if let one = one.int, let other = other.int { return one < other }
      return (one.array ?? []).compactMap(\.int).lexicographicallyPrecedes((other.array ?? []).compactMap(\.int))
    }
    return false
  }
}
