import Collectives
import Model
import Runtime
import Testing

/// Messages of requests and results are read back unchanged, or refused.
@Suite struct RequestMessageTests {
  private static let likelihoods: [(number: Int, request: LikelihoodRequest)] = [
    (7, LikelihoodRequest(context: [1, 2, 3], continuation: [4])),
    (0, LikelihoodRequest(context: [1, 2, 3, 4], continuation: [5, .max])),
    (9, LikelihoodRequest(context: [1, 2], continuation: [3, 4, 5, .max])),
    (2, LikelihoodRequest(context: [8], continuation: [9])),
  ]

  private static let generation: GenerationItem = {
    var options = GenerationOptions(maximumNewTokens: 9)
    (options.seed, options.stream, options.stopIDs) = (.max, 1 << 63, [5, 3])
    (options.rules.draws, options.rules.topK, options.rules.topP) = (true, 7, 0.25)
    (options.rules.temperature, options.rules.repetitionPenalty) = (1.5, 1.125)
    return GenerationItem(
      number: 4, GenerationRequest(prompt: [1, .max], options, stopTexts: ["", "\n\nQ:", "é😀"]))
  }()

  @Test func `likelihood requests and results`() throws {
    let read = try LikelihoodItem(bytes: LikelihoodItem(Self.likelihoods).bytes).requests
    #expect(read.map(\.number) == Self.likelihoods.map(\.number))
    #expect(read.map(\.request) == Self.likelihoods.map(\.request))
    let results = [
      (3, Likelihood(tokens: [-1.5, -0.0, -.infinity], isGreedy: true)), (0, Likelihood(tokens: [], isGreedy: false)),
    ]
    let found = try LikelihoodItem.results(LikelihoodItem.resultBytes(results))
    #expect(found.map(\.number) == [3, 0] && found.map(\.likelihood) == results.map(\.1))
  }

  @Test func `generation requests and results`() throws {
    let read = try GenerationItem(bytes: Self.generation.bytes)
    #expect(
      read.number == 4 && read.request.prompt == [1, .max] && read.request.options == Self.generation.request.options)
    #expect(read.request.stopTexts == ["", "\n\nQ:", "é😀"])
    let answer = Answer(ids: [3, 2], finishReason: .stop)
    let found = try GenerationItem.result(GenerationItem.resultBytes(8, answer))
    #expect(found.number == 8 && found.answer == answer)
  }

  @Test func `a message cut short, too long or damaged is refused`() {
    func check(_ bytes: [UInt8], _ read: ([UInt8]) throws -> Void) {
      for count in bytes.indices {
        #expect(throws: DamagedMessage.self, "\(count) bytes") { try read(Array(bytes.prefix(count))) }
      }
      #expect(throws: DamagedMessage.self) { try read(bytes + [0]) }
      // No byte makes reading crash.
      for place in bytes.indices {
        for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
          var damaged = bytes
          damaged[place] = value
          try? read(damaged)
        }
      }
    }
    check(LikelihoodItem(Self.likelihoods).bytes) { _ = try LikelihoodItem(bytes: $0) }
    check(Self.generation.bytes) { _ = try GenerationItem(bytes: $0) }
    check(GenerationItem.resultBytes(8, Answer(ids: [3], finishReason: .length))) { _ = try GenerationItem.result($0) }
  }

  @Test func `items are divided by what they add`() {
    func context(_ last: Int32) -> [Int32] { Array(0..<100) + [last] }
    let requests = (0..<40).map {
      (number: $0, request: LikelihoodRequest(context: context(Int32($0)), continuation: [1, 2]))
    }
    let items = LikelihoodItem.divide(requests, rows: 120)
    // The first request adds 102 tokens, the others 2 each.
    #expect(items.map(\.item.requests.count) == [10, 30] && items.map(\.cost) == [120, 60])
    #expect(items.flatMap { $0.item.requests.map(\.number) } == Array(0..<40))
  }
}
