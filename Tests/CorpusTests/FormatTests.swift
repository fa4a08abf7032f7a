import Checkpoints
import Corpus
import TestSupport
import Testing

/// Every format gives the same tokens, and the same tokens in the loss, as its own system.
struct FormatTests {
  private static let reader = Result { try RecordReader(path: Repository.fixture("formats.jsonl")) }
  static let places = Array(0..<((try? reader.get().count) ?? 0))

  @Test func `there are cases`() { #expect(Self.places.count > 150) }

  @Test(arguments: places) func `encodes as its system does`(place: Int) throws {
    let value = try Self.reader.get().record(place)
    let kind: ExampleKind =
      switch try #require(value["kind"]?.string) {
      case "pair": .pair
      case "labelled": .labelled
      default: .completion
      }
    let encoder = try Self.encoder(value)
    let type = try value["type"]?.string.map(DatasetType.init(named:))
    let records = try ExampleRecord.read(
      try #require(value["record"]), type: type, kind: kind, fields: try Self.fields(value))
    let limit = LengthLimit(sequenceLength: value["sequence_len"]?.int ?? 4096)
    let trees = try records.flatMap { record in
      let encoded = try encoder.encode(record, index: 3)
      return switch try limit.applied(to: encoded) {
      case .fits: [encoded.tree]
      case .pieces(let trees): trees
      case .truncated, .dropped: [ExampleTree]()
      }
    }
    let expected = try #require(value["expected"]?.array)
    try #require(trees.count == expected.count)
    for (tree, expected) in zip(trees, expected) {
      #expect(tree.isWellFormed && tree.index == 3)
      #expect(tree.label == expected["label"]?.bool)
      guard kind != .pair else {
        #expect(tree.prompt == expected["prompt"]?.ids)
        #expect(tree.completions == [expected["chosen"]?.ids, expected["rejected"]?.ids])
        #expect(tree.unscored.isEmpty)
        continue
      }
      let scored = try #require(expected["scored"]?.ids).map(Int.init)
      // Tokens after the last token in the loss have no effect and are left out.
      let end = try #require(scored.last) + 1
      #expect(tree.completions.count == 1)
      #expect(tree.prompt + tree.completions[0] == (try #require(expected["ids"]?.ids)).prefix(end).map { $0 })
      #expect(tree.scored(0).flatMap { $0.map { tree.prompt.count + $0 } } == scored)
      #expect(tree.scoredCount(0) == scored.count)
      #expect(tree.tokenCount + tree.leftOut == expected["ids"]?.ids?.count, "what a packed row has room for")
    }
  }

  private static func encoder(_ value: JSONValue) throws -> ExampleEncoder {
    var tokenizer = try Fixtures.tokenizer()
    if let ending = value["eos_token"]?.string {
      let files = try TokenizerFiles()
      try files.write("tokenizer_config.json", #"{"eos_token":"\#(ending)"}"#)
      tokenizer = try Tokenizer(directory: files.path)
    }
    let isQwen25 = value["chat_template"]?.string == "qwen_25"
    return ExampleEncoder(
      tokenizer: tokenizer,
      template: isQwen25
        ? .qwen25 : try ChatTemplate(directory: Repository.fixture("tokenizer"), tokenizer: tokenizer),
      trainsOnInputs: value["train_on_inputs"]?.bool ?? false
    ).parsingSpecialTokens(value["special_tokens_in_text"] == "parse")
  }

  private static func fields(_ value: JSONValue) throws -> RecordFields {
    var fields = RecordFields()
    for member in value["fields"]?.members ?? [] {
      fields[try #require(RecordFields.Field(rawValue: member.name))] = try #require(member.value.string)
    }
    if let properties = value["properties"] {
      fields.role = try #require(properties["role"]?.string)
      fields.content = try #require(properties["content"]?.string)
    }
    if let roles = value["roles"]?.members {
      fields.roles = Dictionary(
        uniqueKeysWithValues: roles.map { ($0.name, $0.value.array?.compactMap(\.string) ?? []) })
    }
    return fields
  }
}
