import Collectives
import Model
import Runtime
import TestSupport
import Testing

@Suite struct InferenceForecastTests {
  @Test func `work is counted as it is shared`() {
    // Three texts of 10, 12 and again 10 tokens, which begin with the same 8.
    let shared = (0..<8).map { Int32($0) }
    let requests = [
      LikelihoodRequest(context: shared, continuation: [20, 21]),
      LikelihoodRequest(context: shared + [9], continuation: [22, 23, 24]),
      LikelihoodRequest(context: shared, continuation: [20, 21]),
    ]
    let scoring = InferenceWork(requests, [], ranks: 1, slots: 4)
    // No row predicts from a last token. Of the shorter text two rows are its own: those before its scored tokens.
    #expect(scoring.scoring.count == 11 + 2 && scoring.scoring.scored == 3 + 2)
    #expect(scoring.scoring.attended == (1...11).reduce(0, +) + 8 + 9)
    #expect(scoring.longest == 12 && scoring.demand == nil && scoring.newTokens == 0)
    let options = GenerationOptions(maximumNewTokens: 5)
    let answers = [[1, 2, 3], [1, 2, 4], [1, 2, 4]].map { GenerationRequest(prompt: $0, options) }
    let answering = InferenceWork([], answers, ranks: 2, slots: 4)
    #expect(answering.reading.count == 3 + 1 + 1 && answering.newTokens == 15 && answering.longestAnswer == 5)
    #expect(answering.demand?.slots == 2 && answering.demand?.capacity == 8 && answering.longest == 0)
  }

  @Test func `seconds follow the work, and memory is what is allocated`() throws {
    let world = SoloCommunicator()
    let model = try LoadedModel(
      OpenedModel(OpenedModel.Request(model: "\(Repository.path)/demo/model")), threads: 1, world: world,
      build: BuildIdentity(version: "test", binary: "test"))
    let session = try InferenceSession(model, world: world)
    func request(_ length: Int, _ start: Int) -> LikelihoodRequest {
      LikelihoodRequest(context: (0..<length).map { Int32(start + $0 % 50) }, continuation: [1])
    }
    let options = GenerationOptions(maximumNewTokens: 64)
    let answers = (0..<3).map { GenerationRequest(prompt: [Int32($0)], options) }
    let few = InferenceForecast(
      InferenceWork([request(100, 0)], answers, ranks: 1, slots: 4), [InferenceRates(full: 1e-9, answering: 4e-9)],
      model.policy)
    let many = InferenceForecast(
      InferenceWork((0..<10).map { request(100, 60 * $0) }, answers, ranks: 2, slots: 4),
      [InferenceRates(full: 1e-9, answering: 4e-9), InferenceRates(full: 1e-9, answering: 4e-9)], model.policy)
    // Ten times the rows on two ranks.
    #expect(abs(many.scoring / few.scoring - 5) < 1e-9)
    #expect(few.answering > 0 && few.seconds == few.scoring + few.answering && few.privateBytes > 1_000_000)
    let measured = try session.forecast([request(100, 0)], answers)
    #expect(measured.scoring > 0 && measured.answering > 0 && measured.privateBytes == few.privateBytes)
    try session.end()
  }
}
