import Checkpoints
import Foundation
import Model
import TestSupport
import Testing

/// Compares the sampler with transformers' processors (Tests/Fixtures/generation.py) and with cases made by hand.
@Suite struct SamplerTests {
  private func rules(_ options: JSONValue) -> SamplingRules {
    var rules = SamplingRules()
    rules.draws = true
    rules.temperature = options["temperature"]?.double ?? rules.temperature
    rules.topK = options["top_k"]?.int ?? rules.topK
    rules.topP = options["top_p"]?.double ?? rules.topP
    rules.repetitionPenalty = options["repetition_penalty"]?.double ?? rules.repetitionPenalty
    return rules
  }

  @Test func `the same tokens with the same probabilities as transformers`() throws {
    let samples = try GenerationFixture.document["processors"]?.array.required("processors") ?? []
    #expect(samples.count == 5)
    for sample in samples {
      let scores = (sample["scores"]?.numbers ?? []).map { Float($0) }
      for result in sample["results"]?.array ?? [] {
        let options = try result["options"].required("options")
        let expected = result["probabilities"]?.numbers ?? []
        let sampler = Sampler(rules(options), seed: 1, prompt: sample["prompt"]?.tokens ?? [])
        let candidates = sampler.candidates(scores)
        let ids = candidates.map { $0.id }
        #expect(ids == ids.sorted())
        // Ignores tokens that transformers removed, and tokens whose probability is 0 in fp32.
        let left = candidates.filter { $0.probability > 1e-30 }
        let expectedLeft = expected.indices.filter { expected[$0] > 1e-30 }
        let ours = left.map { $0.probability }.sorted()
        let theirs = expectedLeft.map { expected[$0] }.sorted()
        #expect(excess(ours, theirs, Tolerance(relative: 0, absolute: 1e-6)) < 1, "\(options.serialized())")
        // In torch, chance decides which of equal tokens top-p keeps.
        guard Set(scores).count == scores.count else { continue }
        #expect(left.map { Int($0.id) } == expectedLeft, "\(options.serialized())")
        for candidate in left {
          #expect(abs(candidate.probability - expected[Int(candidate.id)]) < 1e-6, "\(options.serialized())")
        }
      }
    }
  }

  @Test func `top-k keeps those as probable as the last, top-p one at least`() {
    var rules = SamplingRules()
    rules.draws = true
    rules.topK = 2
    #expect(Sampler(rules, seed: 1, prompt: []).candidates([1, 3, 2, 2, 0]).map(\.id) == [1, 2, 3])
    rules.topP = 0
    #expect(Sampler(rules, seed: 1, prompt: []).candidates([1, 3, 2, 2, 0]) == [.init(id: 1, probability: 1)])
  }

  @Test func `the first of the most probable tokens, and a penalty for what was there`() {
    var greedy = Sampler(.greedy, seed: 1, prompt: [3])
    #expect(greedy.next([0, 5, -1, 5]) == 1)
    var rules = SamplingRules()
    rules.repetitionPenalty = 2
    var penalized = Sampler(rules, seed: 1, prompt: [1])
    #expect(penalized.next([2.4, 4, -1, -3]) == 0)
    // Both have been seen now: 1.2 and 2 of 4.
    #expect(penalized.next([2.4, 4, 1.9, -3]) == 1)
    #expect(Sampler(rules, seed: 1, prompt: [0, 1]).candidates([-1, 2]).map(\.id) == [0, 1])
    var below = Sampler(rules, seed: 1, prompt: [0])
    #expect(below.next([-1, -1.5]) == 1)
  }

  @Test func `draws follow the probabilities, the seed and the stream`() {
    var rules = SamplingRules()
    rules.draws = true
    rules.topK = 0
    let scores = [0.5, 0.3, 0.2].map { Float(log($0)) }
    func draws(seed: UInt64, stream: UInt64 = 0, count: Int = 4000) -> [Int32?] {
      var sampler = Sampler(rules, seed: seed, stream: stream, prompt: [])
      return (0..<count).map { _ in sampler.next(scores) }
    }
    let first = draws(seed: 1)
    #expect(first == draws(seed: 1))
    #expect(first != draws(seed: 2) && first != draws(seed: 1, stream: 1))
    for (id, share) in [0.5, 0.3, 0.2].enumerated() {
      let count = first.filter { $0 == Int32(id) }.count
      // Four standard deviations.
      #expect(abs(Double(count) - 4000 * share) < 4 * (4000 * share * (1 - share)).squareRoot(), "\(id): \(count)")
    }
  }

  @Test(arguments: [true, false])
  func `what is no number is not chosen`(draws: Bool) {
    var rules = SamplingRules()
    rules.draws = draws
    for scores in [[1, .nan, 2], [Float.infinity, 1], [-Float.infinity, -.infinity]] {
      var sampler = Sampler(rules, seed: 1, prompt: [])
      #expect(sampler.next(scores) == nil)
    }
    var sampler = Sampler(rules, seed: 1, prompt: [])
    #expect(sampler.next([-.infinity, 1]) == 1)
  }

  @Test func `a large vocabulary with equal and with rare tokens`() {
    var rules = SamplingRules()
    (rules.draws, rules.topK, rules.topP) = (true, 0, 0.9)
    let even = Sampler(rules, seed: 1, prompt: []).candidates([Float](repeating: 2, count: 100_000))
    #expect(abs(even.count - 90_000) <= 1)
    var scores = [Float](repeating: -20, count: 100_000)
    (scores[70_000], scores[5]) = (3, 2)
    #expect(Sampler(rules, seed: 1, prompt: []).candidates(scores).map(\.id) == [5, 70_000])
  }
}
