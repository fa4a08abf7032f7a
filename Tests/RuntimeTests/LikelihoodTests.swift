import Checkpoints
import Collectives
import Corpus
import Foundation
import Model
import Runtime
import Tensors
import TestSupport
import Testing

/// Likelihoods of requests that share beginnings, beside passes over each request alone.
@Suite struct LikelihoodTests {
  /// Like tasks ask: examples, a question, choices; the same again; one inside another; long texts scored whole.
  static let requests: [LikelihoodRequest] = {
    let shots = (0..<150).map { Int32(($0 * 7 + 1) % 130) }
    var requests: [LikelihoodRequest] = []
    for question in 0..<6 {
      let context = shots + (0..<(20 + question)).map { Int32(($0 * question + 3) % 130) }
      for choice in 0..<4 {
        let long = (0..<choice).map { Int32($0 + 50 * (choice % 2)) }
        requests.append(LikelihoodRequest(context: context, continuation: [Int32(choice)] + long))
      }
      requests.append(LikelihoodRequest(context: context, continuation: [2]))
    }
    let text = (0..<230).map { Int32(($0 * $0 + 3) % 130) }
    requests.append(LikelihoodRequest(context: [5], continuation: text))
    requests.append(LikelihoodRequest(context: [5], continuation: Array(text.prefix(100)) + [8, 9]))
    requests.append(LikelihoodRequest(context: [5] + text.prefix(40), continuation: Array(text[40..<60])))
    return requests
  }()

  private static func pool(_ model: LanguageModel, _ threads: Int) -> ThreadPool {
    ThreadPool(threads: threads, scratchCount: Attention.scratchCount(headWidth: model.configuration.headWidth))
  }

  @Test(arguments: ["all", "untied", "half"])
  func `log-probs are those of the training pass, and the most probable tokens are known`(name: String) throws {
    let fixture = try TinyFixture(name)
    let policy = Policy(fixture.model, adapter: fixture.adapter)
    let found = try LikelihoodScorer(policy, longest: 300, pool: Self.pool(fixture.model, 2)).score(Self.requests)
    let pass = Pass(
      fixture.model.configuration, layout: policy.layout,
      capacity: Capacity(rows: 300, scoredRows: 300, targets: 300), positions: 300, retention: .none, threads: 1)
    var greedy = 0
    for (request, likelihood) in zip(Self.requests, found) {
      let tree = ExampleTree(index: 0, prompt: request.context, completions: [request.continuation])
      let expected = try pass.tokenLogProbabilities(TreeBatch([tree]), policy)
      #expect(likelihood.tokens.count == expected.count)
      #expect(zip(likelihood.tokens, expected).allSatisfy { abs($0 - $1) < 2e-5 })
      // The continuation is greedy if a generator makes it.
      let generator = try Generator(policy, capacity: 300, threads: 1)
      let answer = try generator.generate(
        prompt: request.context, GenerationOptions(maximumNewTokens: request.continuation.count))
      #expect(likelihood.isGreedy == (answer.ids == request.continuation))
      greedy += likelihood.isGreedy ? 1 : 0
    }
    #expect(greedy < Self.requests.count)
  }

  @Test func `greedy continuations are seen`() throws {
    let model = try TinyFixture("all").model
    let policy = Policy(model)
    let generator = try Generator(policy, capacity: 300, threads: 1)
    let ids = try generator.generate(prompt: [4, 7, 1], GenerationOptions(maximumNewTokens: 12)).ids
    let scorer = try LikelihoodScorer(policy, longest: 300, pool: Self.pool(model, 1))
    let requests = (1...12).map { LikelihoodRequest(context: [4, 7, 1], continuation: Array(ids.prefix($0))) }
    #expect(try scorer.score(requests).allSatisfy(\.isGreedy))
    #expect(
      try scorer.score([LikelihoodRequest(context: [4, 7, 1], continuation: ids.dropLast() + [ids[11] ^ 1])])
        .allSatisfy { !$0.isGreedy })
  }

  @Test func `neighbours, order and threads show in no bit`() throws {
    let fixture = try TinyFixture("all")
    let policy = Policy(fixture.model, adapter: fixture.adapter)
    let alone = try Self.requests.map { request in
      try LikelihoodScorer(policy, longest: 300, pool: Self.pool(fixture.model, 1)).score([request])[0]
    }
    let scorer = try LikelihoodScorer(policy, longest: 300, pool: Self.pool(fixture.model, 3))
    #expect(try scorer.score(Self.requests) == alone)
    // Again, with the cache full of them; backwards; and in small parts, whose beginnings are cached.
    #expect(try scorer.score(Self.requests.reversed()) == alone.reversed())
    for (request, expected) in zip(Self.requests, alone) { #expect(try scorer.score([request]) == [expected]) }
  }

  @Test func `a session answers as its parts do, and goes on from its journal`() throws {
    let directory = try TemporaryDirectory()
    let world = SoloCommunicator()
    let build = BuildIdentity(version: "test", binary: "test")
    let model = try LoadedModel(
      OpenedModel(OpenedModel.Request(model: "\(Repository.path)/demo/model")), threads: 2, world: world, build: build)
    let requests = Self.requests + Self.requests.prefix(3)
    func run(_ journal: ResultJournal?) throws -> ([Likelihood], [Answer], [InferenceProgress]) {
      var told: [InferenceProgress] = []
      let session = try InferenceSession(model, world: world, journal: journal) { told.append($0) }
      let likelihoods = try session.logLikelihoods(requests)
      let answers = try session.generate(
        stride(from: 0, to: 25, by: 5).map {
          GenerationRequest(prompt: Self.requests[$0].context, GenerationOptions(maximumNewTokens: 9))
        })
      try session.end()
      return (likelihoods, answers, told)
    }
    let (likelihoods, answers, _) = try run(nil)
    #expect(likelihoods.count == requests.count && answers.count == 5)
    #expect(answers.allSatisfy { $0.ids.count == 9 || $0.finishReason == .stop })
    let path = "\(directory.path)/results"
    _ = try run(ResultJournal(path: path, identity: "a"))
    // A kill cuts the last line short.
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    try whole.dropLast(20).write(to: URL(fileURLWithPath: path))
    let (again, answered, told) = try run(ResultJournal(path: path, identity: "a"))
    #expect(again == likelihoods && answered == answers)
    #expect(told.contains(.answered(4, of: 5)) && !told.contains(.scored(0, of: Self.requests.count)))
    // Another model's results are refused, or dropped where that is said; another file is refused.
    let kept = try Data(contentsOf: URL(fileURLWithPath: path))
    let refused = #expect(throws: ContentError.self) { try ResultJournal(path: path, identity: "b") }
    #expect(refused?.description.contains("add --overwrite") == true)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == kept)
    do {
      let journal = try ResultJournal(path: path, identity: "a")
      let busy = #expect(throws: ContentError.self) { try ResultJournal(path: path, identity: "a") }
      #expect(busy?.description.contains("in use") == true)
      withExtendedLifetime(journal) {}
    }
    let (_, _, fresh) = try run(ResultJournal(path: path, identity: "b", replaces: true))
    #expect(fresh.contains(.answered(0, of: 5)))
    try "something else\n".write(toFile: path, atomically: false, encoding: .utf8)
    #expect(throws: (any Error).self) { try ResultJournal(path: path, identity: "b") }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "something else\n")
    // What a kill leaves of the first line.
    for start in ["", #"{"kind":"sho"#, #"{"kind":"shoal results","identity":"a"#] {
      try start.write(toFile: path, atomically: false, encoding: .utf8)
      let (begun, _, _) = try run(ResultJournal(path: path, identity: "a"))
      #expect(begun == likelihoods)
    }
  }

  @Test func `texts end answers`() throws {
    let world = SoloCommunicator()
    let model = try LoadedModel(
      OpenedModel(OpenedModel.Request(model: "\(Repository.path)/demo/model")), threads: 1, world: world,
      build: BuildIdentity(version: "test", binary: "test"))
    let session = try InferenceSession(model, world: world)
    let tokenizer = model.opened.prompting.tokenizer
    let prompt = tokenizer.encode("A shoal of fish")
    let options = GenerationOptions(maximumNewTokens: 40)
    let whole = try session.generate([GenerationRequest(prompt: prompt, options)])[0]
    let text = TextStream.text(of: whole.ids, tokenizer)
    let middle = text.index(text.startIndex, offsetBy: text.count / 2)
    let stop = String(text[middle...].prefix(3))
    let cut = try session.generate([GenerationRequest(prompt: prompt, options, stopTexts: ["\u{1}never", stop])])[0]
    let found = TextStream.text(of: cut.ids, tokenizer)
    #expect(cut.finishReason == .stop && cut.ids.count < whole.ids.count)
    #expect(found.contains(stop) && !TextStream.text(of: cut.ids.dropLast(), tokenizer).contains(stop))
    try session.end()
  }
}
