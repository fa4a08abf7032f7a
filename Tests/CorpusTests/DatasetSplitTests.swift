import Checkpoints
import Corpus
import Tensors
import TestSupport
import Testing

/// `val_set_size`: what is held out, and that no record and no prompt stands on both sides.
struct DatasetSplitTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func pair(_ prompt: String, _ number: Int) -> String {
    #"{"prompt":"\#(prompt)","chosen":" yes \#(number)","rejected":" no \#(number)"}"# + "\n"
  }

  private func load(
    _ lines: String, _ kind: ExampleKind?, type: DatasetType? = nil,
    limit: LengthLimit = LengthLimit(sequenceLength: 512)
  ) throws -> Dataset {
    let path = try directory.write("a.jsonl", lines)
    return try Dataset(
      sources: [Dataset.Source(paths: [path], type: type)], kind: kind, encoder: try Fixtures.encoder(), limit: limit)
  }

  @Test func `held out examples are chosen by seed`() throws {
    let data = try load((0..<50).map { pair("Number \($0) is", $0) }.joined(), .pair)
    let split = try data.split(holdingOut: .share(0.11), seed: 7)
    #expect(split.validation.count == 6 && split.wanted == 6)
    // As before prompts were kept together: runs of data with unique prompts stay the same.
    #expect(split.validation.all.map(\.index) == [14, 17, 25, 29, 45, 49])
    #expect((split.training.all + split.validation.all).map(\.index).sorted() == Array(0..<50))
    #expect(split.training.all.map(\.index) == split.training.all.map(\.index).sorted())
    #expect(try data.split(holdingOut: .count(6), seed: 7).validation.all == split.validation.all)
    #expect(try data.split(holdingOut: .count(6), seed: 8).validation.all != split.validation.all)
    for size in [ValidationSize.count(0), .count(50), .share(0), .share(1), .share(.nan), .share(0.999)] {
      #expect(throws: CorpusError.self) { try data.split(holdingOut: size, seed: 7) }
    }
  }

  /// Pairs as KTO's examples, two of each record, many of them with a prompt that other records have too.
  @Test(arguments: [ExampleKind.labelled, .pair]) func `no prompt and no record stands on both sides`(
    kind: ExampleKind
  ) throws {
    let random = CounterRandom(key: 3)
    for records in [2, 3, 17, 60] {
      for prompts in Set([2, max(2, records / 3), 10 * records]) {
        let drawn = (0..<records).map { record in
          record < 2 ? record : Int(random.uniform(stream: UInt64(records), index: UInt64(record)) * Double(prompts))
        }
        let data = try load(drawn.enumerated().map { pair("Number \($1) is", $0) }.joined(), kind)
        let perRecord = kind == .labelled ? 2 : 1
        try #require(data.examples.count == perRecord * records)
        let largest = Dictionary(grouping: drawn, by: \.self).values.map(\.count).max() ?? 0
        for seed in 0..<40 as Range<UInt64> {
          for wanted in [1, 2, 3, data.examples.count / 4, data.examples.count / 2, data.examples.count - 1]
          where 1..<data.examples.count ~= wanted {
            let split = try data.split(holdingOut: .count(wanted), seed: seed)
            let (training, held) = (split.training.all.map(\.index), split.validation.all.map(\.index))
            #expect((training + held).sorted() == Array(data.examples.indices) && !training.isEmpty && !held.isEmpty)
            #expect(Set(training.map { $0 / perRecord }).isDisjoint(with: held.map { $0 / perRecord }), "records")
            #expect(
              Set(split.training.all.map(\.prompt)).isDisjoint(with: split.validation.all.map(\.prompt)), "prompts")
            // No group that fits is left out.
            #expect(held.count <= max(wanted, perRecord * largest) && held.count > wanted - perRecord * largest)
            #expect(held.count <= wanted || held.count > 0 && wanted < perRecord * largest)
          }
        }
      }
    }
  }

  @Test func `with one prompt alone nothing can be held out`() throws {
    let data = try load((0..<4).map { pair("Number is", $0) }.joined(), .labelled)
    let error = #expect(throws: CorpusError.self) { try data.split(holdingOut: .count(2), seed: 7) }
    #expect(error?.description.contains("all 8 examples have the same prompt or are of one record") == true)
  }

  @Test func `the pieces of a text stay together`() throws {
    let text = (0..<60).map { "word \($0)" }.joined(separator: " ")
    let lines = (0..<8).map { #"{"text":"\#($0): \#(text)"}"# + "\n" }.joined()
    let data = try load(lines, .completion, type: .completion, limit: LengthLimit(sequenceLength: 40))
    let pieces = data.examples.count / 8
    try #require(pieces > 3 && data.examples.count == 8 * pieces)
    for seed in 0..<20 as Range<UInt64> {
      let split = try data.split(holdingOut: .count(2 * pieces + 1), seed: seed)
      #expect(split.validation.count == 2 * pieces)
      #expect(Set(split.validation.all.map { $0.index / pieces }).count == 2)
    }
  }

  /// Records of each format with the same prompt but another answer, then one with another prompt.
  static let formats: [(type: DatasetType?, kind: ExampleKind, same: [String], other: String)] = [
    (
      nil, .completion,
      [#"{"prompt":"q","completion":" a"}"#, #"{"prompt":"q","completion":" b"}"#], #"{"prompt":"r","completion":" a"}"#
    ),
    (
      nil, .completion, [chat("u:q", "a:x"), chat("u:q", "a:y", "u:more", "a:z")], chat("u:r", "a:x")
    ),
    // What comes before the question is no prompt yet.
    (
      nil, .completion, [chat("s:you", "a:hello", "u:q", "a:x"), chat("s:you", "a:hello", "u:q", "a:y")],
      chat("s:you", "a:hello", "u:r", "a:x")
    ),
    (nil, .completion, [chat("s:you", "a:x"), chat("s:you", "a:x")], chat("s:you", "a:y")),
    (
      .alpaca, .completion,
      [#"{"instruction":"i","input":"x","output":"a"}"#, #"{"instruction":"i","input":"x","output":"b"}"#],
      #"{"instruction":"i","input":"y","output":"a"}"#
    ),
    (.completion, .completion, [#"{"text":"long text"}"#, #"{"text":"long text"}"#], #"{"text":"long  text"}"#),
    (
      nil, .pair,
      [
        #"{"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]}"#,
        #"{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"c"}],"rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"d"}]}"#,
      ],
      #"{"prompt":[{"role":"system","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]}"#
    ),
    (
      .intelPrefilled, .pair,
      [
        #"{"system":"s","question":"q","prefill":"In short:","chosen":"a","rejected":"b"}"#,
        #"{"system":"s","question":"q","chosen":"c","rejected":"d"}"#,
      ], #"{"system":"t","question":"q","chosen":"a","rejected":"b"}"#
    ),
  ]

  private static func chat(_ turns: String...) -> String {
    let roles = ["s": "system", "u": "user", "a": "assistant"]
    let messages = turns.map { turn in
      let parts = turn.split(separator: ":")
      return #"{"role":"\#(roles[String(parts[0])] ?? "")","content":"\#(parts[1])"}"#
    }
    return #"{"messages":[\#(messages.joined(separator: ","))]}"#
  }

  @Test(arguments: formats.indices) func `records with one prompt are known in every format`(index: Int) throws {
    let (type, kind, same, other) = Self.formats[index]
    let data = try load((same + [other]).joined(separator: "\n"), kind, type: type)
    try #require(data.examples.count == same.count + 1)
    let prompts = data.examples.indices.map(data.examples.prompt)
    #expect(Set(prompts.dropLast()).count == 1)
    #expect(prompts.last != prompts.first)
  }
}
