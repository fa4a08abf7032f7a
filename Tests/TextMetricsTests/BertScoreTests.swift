import Checkpoints
import Foundation
import Tensors
import TestSupport
import Testing
import TextMetrics

@Suite struct BertScoreTests {
  private static func numbers(_ score: BertScore) -> [Double] { [score.precision, score.recall, score.fMeasure] }

  private static func baseline(_ value: JSONValue?) -> BertRescaling {
    guard let numbers = value?.numbers?.map(Float.init), numbers.count == 3 else { return .none }
    return .baseline(BertBaseline(precision: numbers[0], recall: numbers[1], fMeasure: numbers[2]))
  }

  /// Every layer, weighting and rescaling of the fixture, among its pairs empty texts, several references, texts beyond
  /// the models' positions, and texts that spell special tokens.
  @Test(arguments: BertFixture.models) func `scores of bert_score`(model: String) throws {
    let (predictions, references) = try BertFixture.pairs()
    let cases = try #require(try BertFixture.json()["cases"]?.array).filter { $0["model"]?.string == model }
    #expect(cases.count == 4)
    for item in cases {
      let scorer = try BertScorer(
        directory: BertFixture.path(model), layer: item["layer"]?.int, idf: item["idf"] == true,
        rescale: Self.baseline(item["baseline"]), threads: 2)
      let scores = try scorer.scores(predictions: predictions, references: references)
      let expected = try #require(item["scores"]?.array)
      #expect(scores.count == expected.count)
      for (place, (score, expected)) in zip(scores, expected).enumerated() {
        let distance = zip(Self.numbers(score), try #require(expected.numbers)).map { abs($0 - $1) }
        #expect(distance.allSatisfy { $0 < 1e-5 }, "pair \(place), layer \(item["layer"]?.int ?? 0): \(distance)")
      }
    }
  }

  @Test(arguments: BertFixture.models) func `a pair alone has the same bits, on any number of threads`(
    model: String
  ) throws {
    let (predictions, references) = try BertFixture.pairs()
    let together = try BertScorer(directory: BertFixture.path(model), layer: 3, threads: 3)
      .scores(predictions: predictions, references: references)
    let scorer = try BertScorer(directory: BertFixture.path(model), layer: 3, threads: 1)
    for place in predictions.indices {
      let alone = try scorer.scores(predictions: [predictions[place]], references: [references[place]])
      #expect(alone == [together[place]])
    }
  }

  @Test func `a part is weighed by all references`() throws {
    let (predictions, references) = try BertFixture.pairs()
    let scorer = try BertScorer(directory: BertFixture.path("deberta"), layer: 2, idf: true, threads: 2)
    let all = try scorer.scores(predictions: predictions, references: references)
    let part = try scorer.scores(
      predictions: Array(predictions[6..<9]), references: Array(references[6..<9]), weighing: references)
    #expect(part == Array(all[6..<9]))
  }

  @Test func `tokens that every reference has weigh nothing`() throws {
    let scorer = try BertScorer(directory: BertFixture.path("roberta"), layer: 2, idf: true, threads: 1)
    let score = try scorer.scores(predictions: ["the text"], references: ["the text"])[0]
    #expect(score.precision.isNaN && score.recall.isNaN && score.fMeasure == 0)
  }

  // MARK: Layers and baselines

  @Test func `a directory's name says the layer and the baseline`() throws {
    let root = try TemporaryDirectory()
    let place = root.path("models--FacebookAI--roberta-large/snapshots/0123")
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    #expect(BertModel.model(in: place)?.layer == 17)
    #expect(BertModel.model(in: "/x/deberta-xlarge-mnli")?.layer == 40)
    #expect(BertModel.model(in: "microsoft/deberta-large-mnli/")?.layer == 18)
    #expect(BertModel.model(in: "/x/deberta-base-mnli")?.layer == 9)
    #expect(BertModel.model(in: "/roberta-base/mine") == nil)
    try root.write("config.json", #"{"_name_or_path": "microsoft/deberta-xlarge-mnli"}"#)
    let baseline = try #require(BertModel.model(in: root.path)?.baseline)
    #expect(baseline == BertBaseline(precision: 0.5169066, recall: 0.5170288, fMeasure: 0.5150192))
  }

  @Test func `what is not known must be given`() throws {
    let model = BertFixture.path("roberta")
    #expect(Self.refusal { try BertScorer(directory: model, threads: 1) }?.contains("choose one from 0 to 3") == true)
    #expect(Self.refusal { try BertScorer(directory: model, layer: 4, threads: 1) }?.contains("with 3 layers") == true)
    let unknown = Self.refusal { try BertScorer(directory: model, layer: 2, rescale: .builtIn, threads: 1) }
    #expect(unknown?.contains("no built-in baseline") == true)
  }

  @Test func `predictions and references must fit`() throws {
    let scorer = try BertScorer(directory: BertFixture.path("deberta"), layer: 1, threads: 1)
    #expect(throws: TextMetricError.self) { try scorer.scores(predictions: ["a", "b"], references: ["a"]) }
    #expect(throws: TextMetricError("prediction 2 has no reference")) {
      try scorer.scores(predictions: ["a", "b"], references: [["a"], []])
    }
    #expect(try scorer.scores(predictions: [], references: [String]()).isEmpty)
  }

  private static func refusal(_ body: () throws -> BertScorer) -> String? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? TextMetricError)?.description
    }
  }

  @Test func `the forecast grows with the texts`() throws {
    let scorer = try BertScorer(directory: BertFixture.path("deberta"), layer: 3, threads: 1)
    let (one, two) = (scorer.cost(tokens: [30]), scorer.cost(tokens: [30, 30]))
    #expect(two.flops == 2 * one.flops && two.bytes == one.bytes)
    // Cut to the model's 40 tokens.
    #expect(scorer.cost(tokens: [1000]).flops == scorer.cost(tokens: [40]).flops)
  }
}
