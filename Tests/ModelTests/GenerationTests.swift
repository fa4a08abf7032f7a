import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// generation.json (Tests/Fixtures/generation.py).
enum GenerationFixture {
  static let document = (try? JSONValue.read(file: Repository.fixture("generation.json"))) ?? .null

  /// The model and the adapter of a case.
  static func parts(_ value: JSONValue) throws -> (LanguageModel, Adapter?) {
    let name = try value["model"]?.string.required("model") ?? ""
    if name == "nf4" {
      let fixture = try TinyFixture("nf4", in: TinyFixture.nf4Directory)
      let directory = try ModelDirectory("\(TinyFixture.nf4Directory)/model")
      let cache = try TemporaryDirectory()
      let model = try LanguageModel(
        directory, as: .nf4, modelHash: try directory.contentHash(), cacheDirectory: cache.path, threads: 1)
      return (model, value["adapter"]?.string == nil ? nil : fixture.adapter)
    }
    let model = try LanguageModel(ModelDirectory(TinyFixture.path(name)))
    let adapter = try value["adapter"]?.string.map {
      try Adapter(AdapterDirectory(TinyFixture.path($0), model: model.configuration), model: model.configuration)
    }
    return (model, adapter)
  }

  static func rules(_ value: JSONValue) -> SamplingRules {
    var rules = SamplingRules()
    rules.repetitionPenalty = value["penalty"]?.double ?? 1
    return rules
  }
}

/// A cached pass of one sequence, to inspect its logits.
final class CachedPassProbe {
  private let pass: CachedPass
  private var count = 0

  init(_ model: LanguageModel, _ adapter: Adapter?, capacity: Int, threads: Int = 1) {
    let scratch = Attention.scratchCount(headWidth: model.configuration.headWidth)
    pass = CachedPass(
      Policy(model, adapter: adapter),
      CachedPass.Size(cached: capacity, rows: capacity, positions: capacity, choosing: 1),
      pool: ThreadPool(threads: threads, scratchCount: scratch))
  }

  /// - Parameter start: the number of tokens before; 0 resets the cache.
  func logits(after tokens: [Int32], from start: Int) -> [Float] {
    if start == 0 { count = 0 }
    var before = KeyRuns()
    before.append(0..<count)
    let span = CachedSpan(tokens: tokens[...], before: before, places: count..<count + tokens.count)
    count += tokens.count
    let logits = try? tokens.count == 1 && start > 0 ? pass.decode([span]) : pass.read([span], wanted: [0])
    return logits?.elements ?? []
  }
}

/// Compares answers with those of transformers and PEFT, and with passes without a cache.
@Suite struct GenerationTests {
  @Test(arguments: 0..<11)
  func `greedy ids are those of transformers`(place: Int) throws {
    let cases = try GenerationFixture.document["cases"]?.array.required("cases") ?? []
    #expect(cases.count == 11)
    let (model, adapter) = try GenerationFixture.parts(cases[place])
    let generator = try Generator(Policy(model, adapter: adapter), capacity: 256, threads: 2)
    for answer in cases[place]["answers"]?.array ?? [] {
      let (prompt, ids) = (answer["prompt"]?.tokens ?? [], answer["ids"]?.tokens ?? [])
      let options = GenerationOptions(rules: GenerationFixture.rules(cases[place]), maximumNewTokens: ids.count)
      let ours = try generator.generate(prompt: prompt, options)
      #expect(ours.ids == ids && ids.count == 48, "\(cases[place]["model"]?.string ?? ""), prompt of \(prompt.count)")
      #expect(ours.finishReason == .length && ours.promptTokens == prompt.count)
    }
  }

  @Test func `any stop id ends an answer and is its last`() throws {
    for value in try GenerationFixture.document["stops"]?.array.required("stops") ?? [] {
      let (model, adapter) = try GenerationFixture.parts(value)
      let generator = try Generator(Policy(model, adapter: adapter), capacity: 200, threads: 1)
      for answer in value["answers"]?.array ?? [] {
        var options = GenerationOptions(rules: GenerationFixture.rules(value), maximumNewTokens: 48)
        options.stopIDs = Set(answer["stops"]?.tokens ?? [])
        var told: [Int32] = []
        let ours = try generator.generate(
          prompt: answer["prompt"]?.tokens ?? [], options, onToken: { told.append($0) })
        #expect(ours.ids == answer["ids"]?.tokens && ours.finishReason == .stop && told == ours.ids)
      }
    }
  }

  /// Every token of an answer is the most probable one of a pass over all tokens before it, with the same probability.
  @Test(arguments: ["all", "untied", "half", "nf4"])
  func `an answer with a cache is one without`(name: String) throws {
    let (model, adapter): (LanguageModel, Adapter?)
    if name == "nf4" {
      (model, adapter) = try GenerationFixture.parts(["model": "nf4", "adapter": "adapter"])
    } else {
      let fixture = try TinyFixture(name)
      (model, adapter) = (fixture.model, fixture.adapter)
    }
    let c = model.configuration
    let prompt = (0..<70).map { Int32(($0 * $0 + 3) % c.vocabularySize) }
    let pass = CachedPassProbe(model, adapter, capacity: 90)
    let whole = CachedPassProbe(model, adapter, capacity: 90)
    var tokens = prompt
    var logits = pass.logits(after: prompt, from: 0)
    for step in 0..<12 {
      tokens.append(Int32((step * 31 + 5) % c.vocabularySize))
      logits = pass.logits(after: [tokens[tokens.count - 1]], from: tokens.count - 1)
      let reference = whole.logits(after: tokens, from: 0)
      #expect(excess(logits, reference, Tolerance(relative: 1e-4, absolute: 1e-4)) < 1, "token \(step)")
      // And the same as in the training pass.
      let token = Int32(step)
      let tree = ExampleTree(index: 0, prompt: tokens, completions: [[token]])
      let batch = TreeBatch([tree])
      let training = Pass(
        model: model, layout: adapter?.layout, capacity: Capacity(batch), positions: 100, retention: .none, threads: 1)
      let logp = try training.logProbabilities(batch, model: model, adapter: adapter)[0]
      let top = Double(logits.max() ?? 0)
      let sum = logits.reduce(0.0) { $0 + exp(Double($1) - top) }
      #expect(abs(Double(logits[Int(token)]) - top - log(sum) - logp) < 5e-5, "token \(step)")
    }
  }

  @Test func `where a prompt is cut and how many threads there are shows in no bit`() throws {
    let fixture = try TinyFixture("all")
    let prompt = (0..<301).map { Int32(($0 * 7 + 1) % 400) }
    func logits(_ threads: Int, _ cuts: [Int]) -> [[UInt32]] {
      let pass = CachedPassProbe(fixture.model, fixture.adapter, capacity: 310, threads: threads)
      var start = 0
      for cut in cuts {
        _ = pass.logits(after: Array(prompt[start..<cut]), from: start)
        start = cut
      }
      let first = pass.logits(after: Array(prompt[start...]), from: start)
      return [first, pass.logits(after: [17], from: 301), pass.logits(after: [5], from: 302)].map {
        $0.map(\.bitPattern)
      }
    }
    let reference = logits(1, [])
    for (threads, cuts) in [(2, []), (2, [150]), (1, [2, 13, 205]), (3, [299]), (2, [128, 256])] {
      #expect(logits(threads, cuts) == reference, "\(threads) threads, \(cuts)")
    }
    // And the same with the generator's own splits.
    let options = GenerationOptions(maximumNewTokens: 9)
    let answers = try [1536, 301, 100, 7].map { rows in
      try Generator(Policy(fixture.model), capacity: 310, promptRows: rows, threads: 2)
        .generate(prompt: prompt, options).ids
    }
    #expect(Set(answers).count == 1)
  }

  @Test func `one generator answers many times, with its adapter as it is`() throws {
    let fixture = try TinyFixture("all")
    let adapter = try fixture.adapter.required("adapter")
    let generator = try Generator(Policy(fixture.model, adapter: adapter), capacity: 100, threads: 1)
    let options = GenerationOptions(maximumNewTokens: 20)
    let first = try generator.generate(prompt: [1, 2, 3], options).ids
    _ = try generator.generate(prompt: Array(5..<80), options)
    #expect(try generator.generate(prompt: [1, 2, 3], options).ids == first)
    adapter.weights.base.update(repeating: 0, count: adapter.layout.count)
    let plain = try Generator(Policy(fixture.model), capacity: 100, threads: 1).generate(prompt: [1, 2, 3], options)
    #expect(try generator.generate(prompt: [1, 2, 3], options).ids == plain.ids && plain.ids != first)
  }

  @Test func `seeds and streams make other answers, the same ones again`() throws {
    let fixture = try TinyFixture("all")
    let generator = try Generator(Policy(fixture.model), capacity: 60, threads: 1)
    var options = GenerationOptions(maximumNewTokens: 30)
    (options.rules.draws, options.rules.temperature) = (true, 2)
    let first = try generator.generate(prompt: [9], options).ids
    #expect(try generator.generate(prompt: [9], options).ids == first)
    options.stream = 1
    let second = try generator.generate(prompt: [9], options).ids
    options.seed = 5
    let third = try generator.generate(prompt: [9], options).ids
    #expect(first != second && second != third)
  }

  @Test func `what cannot be answered is refused, what is stopped ends`() throws {
    let model = try TinyFixture("all").model
    let generator = try Generator(Policy(model), capacity: 40, threads: 1)
    #expect(throws: GenerationError.emptyPrompt) {
      try generator.generate(prompt: [], GenerationOptions(maximumNewTokens: 4))
    }
    #expect(throws: GenerationError.contextExceeded(prompt: 38, new: 3, limit: 40)) {
      try generator.generate(prompt: Array(repeating: 1, count: 38), GenerationOptions(maximumNewTokens: 3))
    }
    _ = try generator.generate(prompt: Array(repeating: 1, count: 38), GenerationOptions(maximumNewTokens: 2))
    #expect(try Generator(Policy(model), capacity: 10_000, threads: 1).capacity == 512)
    var count = 0
    let stopped = try generator.generate(
      prompt: [1], GenerationOptions(maximumNewTokens: 30), isStopped: { count >= 3 }, onToken: { _ in count += 1 })
    #expect(stopped.ids.count == 3 && stopped.finishReason == .interrupted)
    let unread = try generator.generate(prompt: [1], GenerationOptions(maximumNewTokens: 3), isStopped: { true })
    #expect(unread.ids.isEmpty && unread.finishReason == .interrupted)
    // The next answer is not affected.
    let again = try generator.generate(prompt: [1], GenerationOptions(maximumNewTokens: 3)).ids
    #expect(Array(stopped.ids) == again)
  }
}

/// generation_config.json.
@Suite struct GenerationDefaultsTests {
  private func defaults(_ json: JSONValue) throws -> GenerationDefaults {
    let model = try TinyFixture("all").model.configuration
    return try GenerationDefaults(json: json, path: "generation_config.json", model)
  }

  @Test func `taken as transformers takes it`() throws {
    let samples = try GenerationFixture.document["defaults"]?.array.required("defaults") ?? []
    #expect(samples.count == 4)
    for sample in samples {
      let ours = try defaults(try sample["file"].required("file"))
      let taken = try sample["taken"].required("taken")
      #expect(ours.rules.draws == taken["do_sample"]?.bool)
      #expect(ours.rules.temperature == taken["temperature"]?.double && ours.rules.topP == taken["top_p"]?.double)
      #expect(ours.rules.topK == taken["top_k"]?.int)
      #expect(ours.rules.repetitionPenalty == taken["repetition_penalty"]?.double)
      let stops = try taken["eos_token_id"].required("eos_token_id")
      // Without stop tokens, transformers never stops; here config.json's apply.
      let expected = stops.isNull ? [402] : (stops.array ?? [stops]).compactMap(\.int)
      #expect(ours.stopIDs == Set(expected.map(Int32.init)))
      #expect(ours.ignoredKeys(draws: true).isEmpty)
    }
  }

  @Test func `what would change answers is named`() throws {
    let file: JSONValue = ["num_beams": 4, "min_p": 0.05, "typical_p": 1.0, "suppress_tokens": [3], "use_cache": true]
    #expect(Set(try defaults(file).ignoredKeys(draws: true)) == ["num_beams", "min_p", "suppress_tokens"])
    #expect(Set(try defaults(file).ignoredKeys(draws: false)) == ["num_beams", "suppress_tokens"])
    let others: JSONValue = [
      "stop_strings": ["x"], "max_time": 1, "min_new_tokens": 3, "no_repeat_ngram_size": 2, "unknown": 7, "top_h": 0.5,
    ]
    #expect(
      Set(try defaults(others).ignoredKeys(draws: false))
        == ["stop_strings", "max_time", "min_new_tokens", "no_repeat_ngram_size"])
  }

  /// transformers reads none of these three without do_sample.
  @Test func `values to draw with matter to who draws`() throws {
    let file = try defaults(["do_sample": false, "temperature": 0.0, "top_p": 1.5, "top_k": "x", "max_new_tokens": 3.0])
    #expect(file.maximumNewTokens == 3)
    let error = #expect(throws: ContentError.self) { try file.checkSampling(except: []) }
    #expect(error?.problems.map(\.item) == ["temperature", "top_p", "top_k"])
    #expect(throws: ContentError.self) { try file.checkSampling(except: ["temperature", "top_p"]) }
    #expect(throws: Never.self) { try file.checkSampling(except: ["temperature", "top_p", "top_k"]) }
    let all = try defaults(["top_k": -1, "max_length": 20])
    #expect(all.rules.topK == 0 && all.maximumLength == 20)
    #expect(throws: Never.self) { try all.checkSampling(except: []) }
  }

  @Test func `all that is wrong is told at once`() throws {
    let file: JSONValue = [
      "do_sample": "yes", "temperature": 0, "top_k": -1, "top_p": 1.5, "repetition_penalty": "a",
      "eos_token_id": [402, 407], "max_new_tokens": 0,
    ]
    let error = try #require(throws: ContentError.self) { try defaults(file) }
    #expect(error.problems.count == 4, "\(error)")
    #expect(throws: ContentError.self) { try defaults([1]) }
  }
}
