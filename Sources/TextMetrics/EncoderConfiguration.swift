// The shape of an encoder as config.json states it, and what of it is refused.

package import Checkpoints
import Tensors

/// The architectures that BERTScore is computed with.
package enum EncoderFamily: String, Sendable, CaseIterable {
  /// RoBERTa (Liu et al. 2019): absolute positions.
  case roberta
  /// DeBERTa, version 1 (He et al. 2020): attention with relative positions.
  case deberta
}

/// The shape of an encoder.
package struct EncoderConfiguration: Sendable, Equatable {
  package var family: EncoderFamily
  package var vocabulary, hidden, layers, heads, feedForward: Int
  /// `max_position_embeddings`.
  package var positions: Int
  /// Rows of the table of token types; every token has the first.
  package var tokenTypes: Int
  package var normEpsilon: Float
  /// RoBERTa: the token whose places do not count as positions, and the first of which is one after its id.
  package var padding: Int
  /// DeBERTa: whether token embeddings have absolute positions added.
  package var hasPositionEmbeddings: Bool
  /// DeBERTa: distances beyond which relative positions are alike; nil without relative attention.
  package var relativeReach: Int?
  /// DeBERTa: queries are multiplied with positions (c2p), keys are (p2c).
  package var queriesSeePositions, keysSeePositions: Bool

  package var headWidth: Int { hidden / heads }

  /// The number of products that scores are the sum of.
  var scoreParts: Int { 1 + (queriesSeePositions ? 1 : 0) + (keysSeePositions ? 1 : 0) }

  /// Tokens of a text that absolute positions suffice for; nil without them.
  var positionLimit: Int? {
    switch family {
    case .roberta: positions - padding - 1
    case .deberta: hasPositionEmbeddings ? positions : nil
    }
  }

  /// Reads `config.json` of a hub directory.
  /// - Throws: `FileError`; `ContentError` with every problem of the file.
  package init(directory: String) throws {
    let path = "\(directory)/config.json"
    self = try EncoderConfiguration(json: try JSONValue.read(file: path, limit: 1 << 20), path: path)
  }

  /// Reads the JSON object of a config.json.
  /// - Throws: `ContentError` with every problem.
  package init(json: JSONValue, path: String) throws(ContentError) {
    var reader = EncoderConfigurationReader(json)
    self = reader.configuration()
    guard reader.problems.isEmpty else { throw ContentError(path, reader.problems) }
  }

  init(family: EncoderFamily) {
    self.family = family
    (vocabulary, hidden, layers, heads, feedForward, positions, tokenTypes) = (0, 0, 0, 1, 0, 0, 0)
    (normEpsilon, padding, hasPositionEmbeddings, relativeReach) = (0, 0, true, nil)
    (queriesSeePositions, keysSeePositions) = (false, false)
  }
}

/// Reads keys one by one and collects their problems. A harmless value replaces a wrong one, so that reading goes on.
private struct EncoderConfigurationReader {
  private let json: JSONValue
  private(set) var problems: [ContentError.Problem] = []

  init(_ json: JSONValue) { self.json = json }

  mutating func configuration() -> EncoderConfiguration {
    let type = json["model_type"]?.string
    guard let family = type.flatMap(EncoderFamily.init(rawValue:)) else {
      problems.append(
        .init("model_type", "is \(type?.prefix(80) ?? "missing")", expected: "roberta or deberta (version 1)"))
      return EncoderConfiguration(family: .roberta)
    }
    var shape = EncoderConfiguration(family: family)
    shape.vocabulary = integer("vocab_size", default: 50265, in: 1...1 << 20)
    shape.hidden = integer("hidden_size", default: 768, in: 1...1 << 14)
    shape.layers = integer("num_hidden_layers", default: 12, in: 0...512)
    shape.heads = integer("num_attention_heads", default: 12, in: 1...512)
    shape.feedForward = integer("intermediate_size", default: 3072, in: 1...1 << 16)
    shape.positions = integer("max_position_embeddings", default: 512, in: 2...1 << 16)
    shape.tokenTypes = integer("type_vocab_size", default: family == .roberta ? 2 : 0, in: 0...1 << 10)
    shape.normEpsilon = epsilon(default: family == .roberta ? 1e-12 : 1e-7)
    if shape.hidden % shape.heads != 0 {
      problems.append(
        .init("hidden_size", "is \(shape.hidden)", expected: "a multiple of num_attention_heads, \(shape.heads)"))
    }
    refuse("hidden_act", unless: ["gelu"])
    refuse("quantization_config", unless: [])
    switch family {
    case .roberta: readRoBERTa(&shape)
    case .deberta: readDeBERTa(&shape)
    }
    return shape
  }

  private mutating func readRoBERTa(_ shape: inout EncoderConfiguration) {
    refuse("is_decoder", unless: [false])
    refuse("add_cross_attention", unless: [false])
    refuse("position_embedding_type", unless: ["absolute"])
    shape.padding = integer("pad_token_id", default: 1, in: 0...1 << 20)
    if shape.tokenTypes == 0 { problems.append(.init("type_vocab_size", "is 0", expected: "at least 1")) }
    if shape.positions < shape.padding + 3 {
      problems.append(
        .init("max_position_embeddings", "is \(shape.positions)", expected: "more than pad_token_id + 2"))
    }
  }

  private mutating func readDeBERTa(_ shape: inout EncoderConfiguration) {
    // What version 2 has beyond version 1, and parts that no published model uses.
    refuse("talking_head", unless: [false])
    refuse("conv_kernel_size", unless: [0])
    refuse("norm_rel_ebd", unless: ["none", ""])
    refuse("position_buckets", unless: [-1, 0])
    refuse("share_att_key", unless: [false])
    refuse("attention_head_size", unless: [.integer(Int64(shape.hidden / shape.heads))])
    refuse("embedding_size", unless: [.integer(Int64(shape.hidden))])
    shape.hasPositionEmbeddings = flag("position_biased_input", default: true)
    let kinds = positionKinds()
    (shape.queriesSeePositions, shape.keysSeePositions) = (kinds.contains("c2p"), kinds.contains("p2c"))
    if flag("relative_attention", default: false) {
      let reach = integer("max_relative_positions", default: -1, in: -1...1 << 16)
      shape.relativeReach = reach < 1 ? shape.positions : reach
    }
  }

  /// `pos_att_type`: a list, or a text with bars.
  private mutating func positionKinds() -> [String] {
    let value = json["pos_att_type"] ?? .null
    guard !value.isNull else { return [] }
    let kinds =
      value.array?.map { $0.string ?? $0.serialized() }
      ?? value.string?.lowercased().split(separator: "|").map { $0.filter { $0 != " " } }
      ?? [value.serialized()]
    if Set(kinds).count != kinds.count || !Set(kinds).isSubset(of: ["c2p", "p2c"]) {
      problems.append(
        .init("pos_att_type", "is \(value.serialized().prefix(80))", expected: "c2p and p2c, or one of them"))
    }
    return kinds
  }

  // MARK: Values

  private mutating func integer(_ name: String, default missing: Int, in range: ClosedRange<Int>) -> Int {
    let value = json[name] ?? .null
    guard !value.isNull else { return missing }
    if let number = value.int, range.contains(number) { return number }
    problems.append(
      .init(
        name, "is \(value.serialized().prefix(80))",
        expected: "a whole number from \(range.lowerBound) to \(range.upperBound)"))
    return missing
  }

  private mutating func epsilon(default missing: Float) -> Float {
    let value = json["layer_norm_eps"] ?? .null
    guard !value.isNull else { return missing }
    if let number = value.double, number >= 0, number < 1 { return Float(number) }
    problems.append(
      .init("layer_norm_eps", "is \(value.serialized().prefix(80))", expected: "a number from 0 to 1"))
    return missing
  }

  private mutating func flag(_ name: String, default missing: Bool) -> Bool {
    let value = json[name] ?? .null
    guard !value.isNull else { return missing }
    if let flag = value.bool { return flag }
    problems.append(.init(name, "is \(value.serialized().prefix(80))", expected: "true or false"))
    return missing
  }

  private mutating func refuse(_ name: String, unless accepted: [JSONValue]) {
    let value = json[name] ?? .null
    guard !value.isNull, !accepted.contains(value) else { return }
    let expected = accepted.first.map { $0.serialized() } ?? "no such key"
    problems.append(.init(name, "is \(value.serialized().prefix(80)), which is not supported", expected: expected))
  }
}
