import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

/// Large data are tokenised once: their file gives the same examples as the records, or is made again.
struct ExampleStoreTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private static let encoder = Result { try Fixtures.encoder() }
  private static let limit = LengthLimit(sequenceLength: 128)

  private func store(program: String = "program", tokenizer: String = "tokenizer", smallest: Int = 0) -> ExampleStore {
    ExampleStore(
      directory: directory.path("store"), program: program, tokenizer: tokenizer, smallestBytes: smallest)
  }

  private var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory.path("store"))) ?? []).sorted()
  }

  /// What changes when a file is replaced.
  private func identity(_ name: String) throws -> NSNumber? {
    try FileManager.default.attributesOfItem(atPath: directory.path("store/\(name)"))[.systemFileNumber] as? NSNumber
  }

  private func pairs(_ count: Int, word: String = "yes") -> String {
    (0..<count).map { #"{"prompt":"Number \#($0 / 2) is","chosen":" \#(word)","rejected":" no \#($0)"}"# + "\n" }
      .joined()
  }

  private static let chat =
    #"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b c"},{"role":"user","content":"d e"},"#
    + #"{"role":"assistant","content":"f"}]}"# + "\n"

  private static let kinds: [(name: String, type: DatasetType?, kind: ExampleKind, text: String)] = [
    ("pairs", nil, .pair, #"{"prompt":"One two three","chosen":" yes","rejected":" no"}"# + "\n"),
    ("labelled", nil, .labelled, #"{"prompt":"One","completion":" x","label":false}"# + "\n"),
    ("pairs with labels", nil, .labelled, #"{"prompt":"One","chosen":" yes","rejected":" no"}"# + "\n"),
    ("completions", nil, .completion, #"{"prompt":"One","completion":" two"}"# + "\n"),
    ("conversations", .chatTemplate, .completion, chat),
    ("texts", .completion, .completion, #"{"text":"one two three four five six seven eight nine ten"}"# + "\n"),
  ]

  private func same(_ one: Dataset, _ other: Dataset) throws -> Bool {
    try one.examples.trees() == other.examples.trees() && one.report == other.report && one.styles == other.styles
      && one.mistakes == other.mistakes && one.examples.ends == other.examples.ends
      && one.examples.indices.map(one.examples.prompt) == other.examples.indices.map(other.examples.prompt)
  }

  @Test(arguments: kinds.indices) func `a file holds what the records give`(index: Int) throws {
    let (_, type, kind, text) = Self.kinds[index]
    // A mistake that is left out, and more than a block of examples.
    let path = try directory.write("a.jsonl", String(repeating: text, count: 4200) + "{\n")
    func load(_ store: ExampleStore?) throws -> Dataset {
      try Dataset(
        sources: [Dataset.Source(paths: [path], type: type)], kind: kind, encoder: try Fixtures.encoder(),
        limit: LengthLimit(sequenceLength: type == .completion ? 7 : 64),
        omitting: DataOmissions(mistakes: 1, equalPairs: false), store: store)
    }
    let (plain, first) = (try load(nil), try load(store()))
    #expect(files.count == 1 && plain.mistakes.count == 1 && plain.examples.count >= 4200)
    let made = try identity(files[0])
    let second = try load(store())
    #expect(try identity(files[0]) == made, "it was not made twice")
    #expect(try same(plain, first) && same(plain, second))
    for place in [0, 4095, 4096, plain.examples.count - 1] {
      let (tree, outline) = (try second.examples.tree(place), second.examples.outline(place))
      #expect(outline.prompt.count == tree.prompt.count && outline.index == tree.index)
      #expect(outline.completions.map(\.count) == tree.completions.map(\.count) && outline.label == tree.label)
      #expect(second.examples.digest(place) == tree.contentDigest)
      #expect(second.examples.recordTokens(place) == tree.tokenCount + tree.leftOut)
    }
  }

  private func load(_ path: String, _ store: ExampleStore?, _ change: (inout Dataset.Source) -> Void = { _ in }) throws
    -> Dataset
  {
    var source = Dataset.Source(paths: [path])
    change(&source)
    return try Dataset(sources: [source], encoder: try Self.encoder.get(), limit: Self.limit, store: store)
  }

  @Test func `small data have no file`() throws {
    let path = try directory.write("a.jsonl", pairs(20))
    #expect(try load(path, store(smallest: 8 << 20)).notice == nil)
    #expect(files.isEmpty)
  }

  @Test(arguments: [0x01, 0x80] as [UInt8]) func `damage anywhere is seen, and the file is made again`(
    bit: UInt8
  ) throws {
    // The chat has a turn between two answers that is not scored.
    let path = try directory.write("a.jsonl", pairs(3) + Self.chat)
    let expected = try load(path, store()).examples.trees()
    try #require(expected.contains { !$0.unscored.isEmpty })
    let name = "store/\(files[0])"
    let whole = try Data(contentsOf: URL(fileURLWithPath: directory.path(name)))
    for place in whole.indices {
      var damaged = whole
      damaged[place] ^= bit
      try damaged.write(to: URL(fileURLWithPath: directory.path(name)))
      // Tokens are checked where they are read.
      if let trees = try? load(path, store()).examples.trees() {
        #expect(trees == expected, "byte \(place)")
        continue
      }
      #expect(files.isEmpty, "byte \(place)")
      let again = try load(path, store()).examples.trees()
      #expect(again == expected, "byte \(place)")
    }
    for count in stride(from: 0, to: whole.count, by: 7) {
      try whole.prefix(count).write(to: URL(fileURLWithPath: directory.path(name)))
      #expect(try load(path, store()).examples.trees() == expected, "\(count) bytes")
    }
    #expect(files.count == 1)
  }

  @Test func `another setting is another file`() throws {
    let path = try directory.write("a.jsonl", pairs(20))
    _ = try load(path, store())
    var count = 1
    func another(_ what: String, _ make: () throws -> Void) rethrows {
      try make()
      count += 1
      #expect(files.count == count, "\(what)")
    }
    try another("tokenizer") { _ = try load(path, store(tokenizer: "other")) }
    try another("field") { _ = try load(path, store()) { $0.fields[.system] = "s" } }
    try another("part") { _ = try load(path, store()) { $0.split = SplitSelection("train[:10]") ?? .train } }
    for seed in [1, 2] as [UInt64] {
      try another("shard") {
        var source = Dataset.Source(paths: [path])
        source.shard = .init(count: 2, index: 0)
        _ = try Dataset(
          sources: [source], encoder: try Fixtures.encoder(), limit: Self.limit, seed: seed, store: store())
      }
    }
    try another("special tokens") { _ = try load(path, store()) { $0.specialTokens = .parse } }
    func read(
      _ encoder: ExampleEncoder, _ kind: ExampleKind? = nil, _ limit: LengthLimit = Self.limit, seed: UInt64 = 0,
      omitting omissions: DataOmissions? = nil
    ) throws {
      _ = try Dataset(
        sources: [Dataset.Source(paths: [path])], kind: kind, encoder: encoder, limit: limit, seed: seed,
        omitting: omissions, store: store())
    }
    let tokenizer = try Fixtures.tokenizer()
    var template = try ChatTemplate(directory: Repository.fixture("tokenizer"), tokenizer: tokenizer)
    let encoder = try Fixtures.encoder()
    try another("inputs") { try read(Fixtures.encoder(trainsOnInputs: true)) }
    try another("no template") { try read(ExampleEncoder(tokenizer: tokenizer, template: nil)) }
    template = try template.withVariables([.init("a", 1)])
    try another("variables") { try read(ExampleEncoder(tokenizer: tokenizer, template: template)) }
    try another("kind") { try read(encoder, .labelled) }
    try another("length") { try read(encoder, nil, LengthLimit(sequenceLength: 23)) }
    try another("strategy") { try read(encoder, nil, LengthLimit(sequenceLength: 24, strategy: .drop)) }
    try another("omissions") { try read(encoder, omitting: DataOmissions(mistakes: 1, equalPairs: false)) }
    try another("content") { _ = try load(try directory.write("a.jsonl", pairs(20, word: "no")), store()) }
    // The seed selects nothing here.
    try read(encoder, seed: 7)
    #expect(files.count == count)
    // A file of another build is replaced.
    let path2 = try directory.write("a.jsonl", pairs(20))
    let before = try files.map(identity)
    _ = try load(path2, store(program: "other"))
    #expect(files.count == count)
    #expect(try files.map(identity) != before)
  }

  @Test func `without room examples stay in memory`() throws {
    let path = try directory.write("a.jsonl", pairs(20))
    _ = try directory.write("store", "this is no directory")
    let data = try load(path, store())
    #expect(data.notice?.contains("the examples stay in memory") == true, "\(data.notice ?? "")")
    #expect(try same(data, try load(path, nil)))
  }

  @Test func `what a killed process left is removed`() throws {
    let path = try directory.write("a.jsonl", pairs(20))
    _ = try load(path, store())
    let name = try #require(files.first)
    let (old, new) = ("\(name).tmp-1", "\(name).tmp-2")
    for other in [old, new, "other.tmp-1"] { try directory.write("store/\(other)", "half") }
    let then = Date(timeIntervalSinceNow: -4000)
    for other in [old, "other.tmp-1"] {
      try FileManager.default.setAttributes([.modificationDate: then], ofItemAtPath: directory.path("store/\(other)"))
    }
    _ = try load(path, store(program: "other"))
    #expect(files == [name, new, "other.tmp-1"])
  }

  @Test func `mistakes leave no file`() throws {
    let path = try directory.write("a.jsonl", pairs(20) + "{}\n")
    #expect(throws: CorpusError.self) { try load(path, store()) }
    #expect(files.isEmpty)
  }

  @Test func `several processes may write at once`() async throws {
    let path = try directory.write("a.jsonl", pairs(3000))
    let expected = try load(path, nil).examples.trees()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<6 { group.addTask { try load(path, store()).examples.trees() == expected } }
      for try await isSame in group { #expect(isSame) }
    }
    #expect(files.count == 1)
  }

  @Test func `a split reads the same from a file`() throws {
    let path = try directory.write("a.jsonl", pairs(50))
    let (plain, stored) = (
      try load(path, nil).split(holdingOut: .count(11), seed: 3),
      try load(path, store()).split(holdingOut: .count(11), seed: 3)
    )
    #expect(try plain.training.trees() == stored.training.trees())
    #expect(try plain.validation.trees() == stored.validation.trees() && plain.validation.count == 10)
  }
}
