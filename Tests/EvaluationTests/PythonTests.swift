import Checkpoints
import Corpus
import Evaluation
import Foundation
import TestSupport
import Testing

/// Values of Python and of lm-eval's own functions (Tests/Fixtures/python_values.py).
struct PythonTests {
  private static let values =
    (try? JSONValue.parse(
      [UInt8](Data(contentsOf: URL(fileURLWithPath: Repository.fixture("lm_eval/python_values.json")))), by: .data))
    ?? .null

  @Test func `the same seed draws the same`() throws {
    for draw in try #require(Self.values["draws"]?.array) {
      var random = PythonRandom(seed: draw["seed"]?.int ?? 0)
      let (count, population) = (draw["count"]?.int ?? 0, draw["population"]?.int ?? 0)
      for sample in draw["samples"]?.array ?? [] {
        #expect(random.sample(count, of: population) == sample.array?.compactMap(\.int))
      }
      #expect(random.real() == draw["next"]?.double)
      #expect((0..<5).map { _ in random.choice(of: population) } == draw["choices"]?.array?.compactMap(\.int))
    }
  }

  @Test func `literals are read as by Python`() throws {
    for pair in try #require(Self.values["literals"]?.array) {
      let text = try #require(pair.array?[0].string)
      let expected = pair.array?[1].string
      #expect(PythonLiteral.value(text).map { $0.serialized(.python) } == expected, "\(text)")
    }
    #expect(PythonLiteral.value(String(repeating: "[", count: 100_000)) == nil)
    #expect(PythonLiteral.value(#""\x+1""#) == nil)
    let many = "{" + (0..<200_000).map { "'\($0)': 1, " }.joined() + "'7': 2}"
    var members: [JSONValue.Member]?
    let seconds = processorSeconds { members = PythonLiteral.value(many)?.members }
    #expect(seconds < boundedSeconds)
    #expect(members?.count == 200_000 && members?[7].value == 2)
  }

  @Test func `values are written as by Python`() throws {
    for entry in try #require(Self.values["texts"]?.array?.map(\.array)) {
      let entry = try #require(entry)
      #expect(entry[0].serialized(.python) == entry[1].string)
      #expect(entry[0].serialized(indent: 2, .python) == entry[2].string)
      #expect(PythonText.string(entry[0]) == entry[3].string)
    }
  }

  @Test func `standard errors are lm-eval's`() throws {
    let errors = try #require(Self.values["errors"])
    let values = (errors["values"]?.array ?? []).compactMap(\.double).map { MetricValue.number($0) }
    let mean = try #require(Aggregation.mean.standardError(values, bootstraps: 1))
    #expect(abs(mean - (errors["mean"]?.double ?? 0)) < 1e-14)
    let perplexity = try #require(Aggregation.perplexity.standardError(values, bootstraps: 100_000))
    #expect(abs(perplexity / (errors["perplexity"]?.double ?? 0) - 1) < 1e-12)
    #expect(Aggregation.mean.standardError([.number(1)], bootstraps: 1) == nil)
    #expect(Aggregation.bitsPerByte.standardError([.weighted(1, by: 2), .weighted(1, by: 2)], bootstraps: 9) == nil)
  }
}
