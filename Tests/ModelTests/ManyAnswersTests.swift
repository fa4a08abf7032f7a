import Checkpoints
import Model
import Tensors
import TestSupport
import Testing

/// Gives a generator some jobs and keeps what it answers.
private final class Jobs: GenerationClient {
  private var waiting: [GenerationJob]
  private(set) var answers: [Int: Generation] = [:]
  private(set) var told: [Int: [Int32]] = [:]
  /// Ends an answer after a number of tokens.
  var end: (Int, Int) -> Bool = { _, _ in false }
  var stop: () -> Bool = { false }

  init(_ jobs: [GenerationJob]) { waiting = jobs.reversed() }

  var isStopped: Bool { stop() }
  func nextJob() -> GenerationJob? { waiting.popLast() }
  func receive(_ token: Int32, of job: Int) -> Bool {
    told[job, default: []].append(token)
    return end(job, told[job]?.count ?? 0)
  }
  private(set) var answerCount = 0
  func receive(_ answer: Generation, of job: Int) {
    answers[job] = answer
    answerCount += 1
  }
}

/// Many answers at once are those of one at a time.
@Suite struct ManyAnswersTests {
  /// Prompts that share beginnings of many lengths, in any order.
  static let prompts: [[Int32]] = {
    let base = (0..<160).map { Int32(($0 * 13 + 7) % 130) }
    var prompts: [[Int32]] = [[3], base, base + base.prefix(20)]
    for (place, count) in [0, 1, 5, 130, 160, 131, 159, 64].enumerated() {
      let beginning: [Int32] = Array(base.prefix(count))
      prompts.append(beginning + [Int32(place), 9])
      prompts.append(beginning + [3])
    }
    return prompts
  }()

  @Test func `a stop answers every job`() throws {
    let fixture = try TinyFixture("all")
    // The cache has room for few of them, so that one waits; the stop comes while all slots are full.
    let generator = try Self.generator(fixture.model, fixture.adapter, slots: 4, cached: 520)
    let jobs = Jobs(
      (0..<20).map { place in
        GenerationJob(
          id: place, prompt: (0..<150).map { Int32(($0 * (place + 3) + 1) % 130) },
          GenerationOptions(maximumNewTokens: 40))
      })
    jobs.stop = { jobs.told.values.contains { $0.count > 5 } }
    try generator.generate(for: jobs)
    #expect(jobs.answers.count == 20 && jobs.answers.values.allSatisfy { $0.finishReason == .interrupted })
    #expect(jobs.answers.values.contains { $0.ids.isEmpty } && jobs.answers.values.contains { $0.ids.count > 5 })
    #expect(jobs.nextJob() == nil && jobs.answerCount == 20)
    // Prompts that are read in several runs, where the first answers have ended when the stop comes.
    let short = Jobs(
      (0..<8).map { place in
        GenerationJob(
          id: place, prompt: (0..<60).map { Int32(($0 * (place + 3) + 1) % 130) },
          GenerationOptions(maximumNewTokens: place < 2 ? 1 : 20))
      })
    short.stop = { short.told.count >= 2 }
    try Self.generator(fixture.model, fixture.adapter, slots: 8, cached: 1000, promptRows: 64).generate(for: short)
    #expect(short.answers.count == 8 && short.answerCount == 8)
    #expect(short.answers[0]?.finishReason == .length && short.answers[7]?.finishReason == .interrupted)
  }

  private static func generator(
    _ model: LanguageModel, _ adapter: Adapter?, slots: Int, cached: Int, promptRows: Int = 1536, threads: Int = 2
  ) throws -> Generator {
    try Generator(
      Policy(model, adapter: adapter), capacity: 240, slots: slots, cached: cached, promptRows: promptRows,
      pool: ThreadPool(
        threads: threads, scratchCount: Attention.scratchCount(headWidth: model.configuration.headWidth)))
  }

  @Test(arguments: ["all", "untied", "half", "nf4"])
  func `every answer is the one that it is alone`(name: String) throws {
    let (model, adapter) =
      name == "nf4"
      ? try GenerationFixture.parts(["model": "nf4", "adapter": "adapter"])
      : try { ($0.model, $0.adapter) }(TinyFixture(name))
    let jobs = Self.prompts.enumerated().map { place, prompt in
      var options = GenerationOptions(maximumNewTokens: 1 + place * 7 % 40)
      options.rules.draws = place % 3 == 0
      options.rules.temperature = 1.5
      options.rules.repetitionPenalty = place % 4 == 0 ? 1.2 : 1
      options.stream = UInt64(place)
      options.stopIDs = [Int32(place)]
      return GenerationJob(id: place, prompt: prompt, options)
    }
    let alone = try Self.generator(model, adapter, slots: 1, cached: 240)
    let expected = try jobs.map { try alone.generate(prompt: $0.prompt, $0.options) }
    // Little room, so that answers wait for others and beginnings are dropped; and room for all.
    for (slots, cached, rows, threads) in [(3, 300, 50, 1), (4, 2000, 7, 2), (40, 6000, 1536, 3)] {
      let client = Jobs(jobs)
      try Self.generator(model, adapter, slots: slots, cached: cached, promptRows: rows, threads: threads)
        .generate(for: client)
      #expect(client.answers.count == jobs.count)
      for (job, alone) in zip(jobs, expected) {
        let answer = try #require(client.answers[job.id])
        #expect(answer.ids == alone.ids && answer.finishReason == alone.finishReason, "\(slots) slots, job \(job.id)")
        #expect(client.told[job.id] == alone.ids)
      }
    }
  }

  @Test func `a client ends answers and stops them all`() throws {
    let model = try TinyFixture("all").model
    let jobs = (0..<6).map { GenerationJob(id: $0, prompt: [Int32($0), 8], GenerationOptions(maximumNewTokens: 30)) }
    let generator = try Self.generator(model, nil, slots: 4, cached: 400)
    let ending = Jobs(jobs)
    ending.end = { job, count in count == job + 1 }
    try generator.generate(for: ending)
    for job in 0..<6 {
      #expect(ending.answers[job]?.ids.count == job + 1 && ending.answers[job]?.finishReason == .stop)
    }
    let stopping = Jobs(jobs)
    stopping.stop = { (stopping.told[0]?.count ?? 0) >= 3 }
    try generator.generate(for: stopping)
    #expect(stopping.answers.count == 6)
    #expect(stopping.answers.values.allSatisfy { $0.finishReason == .interrupted && $0.ids.count <= 4 })
    // The next call is not affected.
    let again = Jobs(jobs)
    try generator.generate(for: again)
    #expect(again.answers.values.allSatisfy { $0.ids.count == 30 })
    #expect(again.answers[2]?.ids.prefix(3) == ending.answers[2]?.ids[...])
  }

  @Test func `an answer that never fits is refused`() throws {
    let generator = try Self.generator(TinyFixture("all").model, nil, slots: 2, cached: 240)
    let client = Jobs([GenerationJob(id: 0, prompt: [1], GenerationOptions(maximumNewTokens: 240))])
    #expect(throws: GenerationError.contextExceeded(prompt: 1, new: 240, limit: 240)) {
      try generator.generate(for: client)
    }
  }
}
