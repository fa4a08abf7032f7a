import Checkpoints
import Corpus
import TestSupport
import Testing

/// Every format gives the same tokens, and the same tokens in the loss, as its own system.
struct FormatTests {
  private static let reader = Result { try RecordReader(path: Repository.fixture("formats.jsonl")) }
  static let places = Array(0..<((try? reader.get().count) ?? 0))

  @Test func `there are cases`() { #expect(Self.places.count > 350) }

  @Test(arguments: places) func `encodes as its system does`(place: Int) throws {
    let value = try Self.reader.get().record(place)
    let kind: ExampleKind =
      switch try #require(value["kind"]?.string) {
      case "pair": .pair
      case "labelled": .labelled
      default: .completion
      }
    let encoder = try Self.encoder(value)
    let type = try Self.type(value)
    let fields = try Self.fields(value)
    let record = Self.asRow(try #require(value["record"]), DatasetType.columns(of: type, fields))
    let records = try ExampleRecord.read(record, type: type, kind: kind, fields: fields)
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

  /// The record as a table with more columns has it: those that the type does not read are not decoded.
  private static func asRow(_ record: JSONValue, _ columns: Set<String>?) -> JSONValue {
    guard let columns else { return record }
    let unread = JSONValue.unusable(JSONSyntaxError(byteOffset: 0, line: 1, reason: "not read"))
    return .object((record.members ?? []).map { columns.contains($0.name) ? $0 : .init($0.name, unread) })
  }

  private static func encoder(_ value: JSONValue) throws -> ExampleEncoder {
    var tokenizer = try Fixtures.tokenizer()
    if let ending = value["eos_token"]?.string {
      let files = try TokenizerFiles()
      try files.write("tokenizer_config.json", #"{"eos_token":"\#(ending)"}"#)
      tokenizer = try Tokenizer(directory: files.path)
    }
    let name = value["chat_template"]?.string.flatMap(ChatTemplate.Name.init(rawValue:))
    return ExampleEncoder(
      tokenizer: tokenizer,
      template: try name?.template ?? ChatTemplate(directory: Repository.fixture("tokenizer"), tokenizer: tokenizer),
      trainsOnInputs: value["train_on_inputs"]?.bool ?? false
    ).parsingSpecialTokens(value["special_tokens_in_text"] == "parse")
  }

  private static func fields(_ value: JSONValue) throws -> RecordFields {
    var fields = RecordFields()
    for member in value["fields"]?.members ?? [] {
      fields[try #require(RecordFields.Field(rawValue: member.name))] = try #require(member.value.string)
    }
    for member in value["keys"]?.members ?? [] { try read(member, into: &fields) }
    if let tokens = value["eot_tokens"]?.array { fields.turns.endOfTurnTokens = tokens.compactMap(\.string) }
    return fields
  }

  private static func type(_ value: JSONValue) throws -> DatasetType? {
    guard let members = value["type"]?.members else { return try value["type"]?.string.map(DatasetType.init(named:)) }
    return .own(try OwnFormat(Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.value.string ?? "") })))
  }

  /// A data set's key, as the configuration reads it.
  private static func read(_ key: JSONValue.Member, into fields: inout RecordFields) throws {
    let text = key.value.string
    switch key.name {
    case "message_property_mappings":
      for member in key.value.members ?? [] {
        let name = try #require(member.value.string)
        switch member.name {
        case "role": fields.role = name
        case "content": fields.content = name
        default: fields.properties[member.name] = name
        }
      }
    case "roles":
      fields.roles = Dictionary(
        uniqueKeysWithValues: (key.value.members ?? []).map { ($0.name, $0.value.array?.compactMap(\.string) ?? []) })
    case "message_field_role": fields.role = try #require(text)
    case "message_field_content": fields.content = try #require(text)
    case "message_field_training": fields.training = text
    case "message_field_training_detail": fields.trainingDetail = text
    case "roles_to_train": fields.turns.roles = key.value.array?.compactMap(\.string) ?? []
    case "train_on_eos": fields.turns.endOfSequence = try #require(text.flatMap(TurnTraining.Ends.init(rawValue:)))
    case "train_on_eot": fields.turns.endOfTurn = text.flatMap(TurnTraining.Ends.init(rawValue:))
    case "drop_system_message": fields.dropsSystemMessage = key.value.bool == true
    case "split_thinking": fields.splitsThinking = key.value.bool == true
    case "field_thinking": fields.thinking = try #require(text)
    case "template_thinking_key": fields.templateThinking = try #require(text)
    default: Issue.record("the case has an unknown key, \(key.name)")
    }
  }
}
