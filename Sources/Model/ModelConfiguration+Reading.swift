// Reads a configuration from config.json. All key names, types, bounds and refusals are here.

package import Checkpoints
import Tensors

extension ModelConfiguration {
  /// Reads `config.json` of a hub directory.
  /// - Throws: `FileError`; `ContentError` with every problem of the file.
  package init(directory: String) throws {
    let path = "\(directory)/config.json"
    self = try ModelConfiguration(json: try JSONValue.read(file: path, limit: 1 << 20), path: path)
  }

  /// Reads the JSON object of a config.json.
  /// - Parameter path: the name of the object in error messages.
  /// - Throws: `ContentError` with every problem.
  package init(json: JSONValue, path: String) throws(ContentError) {
    var reader = ConfigurationReader(json)
    let family = reader.family()
    reader.refuseUnsupported(family)
    self = reader.configuration(family)
    guard reader.problems.isEmpty else { throw ContentError(path, reader.problems) }
  }
}

/// Reads keys one by one and collects their problems. A harmless value replaces a wrong one, so that reading goes on.
struct ConfigurationReader {
  private let json: JSONValue
  private(set) var problems: [ContentError.Problem] = []

  init(_ json: JSONValue) { self.json = json }

  // MARK: - What must hold

  /// The families by name, for messages.
  private static let families =
    "qwen2 (Qwen2 and Qwen2.5), qwen3 (dense), llama (the Llama architecture) or mistral, all without experts"

  /// The family that `model_type` names. Another architecture than the family's own is another model.
  mutating func family() -> ModelFamily {
    if json.members == nil { problems.append(.init(nil, "is not a JSON object")) }
    let type = json["model_type"]?.string
    guard let family = type.flatMap(ModelFamily.init(rawValue:)) else {
      problems.append(.init("model_type", "is \(type ?? "missing")", expected: Self.families))
      return .qwen2
    }
    let architectures = json["architectures"].flatMap(\.array)?.compactMap(\.string) ?? []
    if !architectures.isEmpty, architectures != [family.architecture] {
      problems.append(
        .init("architectures", "is \(architectures.joined(separator: ", "))", expected: family.architecture))
    }
    return family
  }

  mutating func refuseUnsupported(_ family: ModelFamily) {
    refuse("use_sliding_window", unless: { $0 == false }, expected: "false: attention is full here")
    if family.hasWindow { refuseWindow() }
    refuse("rope_interleaved", unless: { $0 == false }, expected: "false: halves are rotated here")
    refuse("quantization_config", expected: "no such key: weights in BF16, F16 or F32")
    refuse("hidden_act", unless: { $0 == "silu" }, expected: "silu")
    refuse("attention_dropout", unless: { $0.double == 0 }, expected: "0")
    if let kinds = value("layer_types") {
      let layers = json["num_hidden_layers"]?.int
      let names = kinds.array?.map { $0.string ?? $0.serialized() } ?? [kinds.serialized()]
      if let other = names.first(where: { $0 != "full_attention" }) {
        problems.append(.init("layer_types", "has \(other)", expected: "full_attention everywhere"))
      } else if let layers, names.count != layers {
        problems.append(.init("layer_types", "has \(names.count) layers", expected: "\(layers) (num_hidden_layers)"))
      }
    }
  }

  /// A window as wide as the model's context is none. Without the key transformers takes 4096.
  private mutating func refuseWindow() {
    guard let window = json["sliding_window"] else {
      problems.append(.init("sliding_window", "is missing, which means 4096", expected: "null: attention is full here"))
      return
    }
    let positions = json["max_position_embeddings"]?.int ?? ModelFamily.mistral.maximumPositions
    guard !window.isNull, (window.int ?? 0) < positions else { return }
    problems.append(
      .init(
        "sliding_window", "is \(window.serialized())",
        expected: "null, or at least max_position_embeddings (\(positions)): attention is full here"))
  }

  mutating func configuration(_ family: ModelFamily) -> ModelConfiguration {
    let hiddenSize = integer("hidden_size", in: 1...65_536)
    let headCount = integer("num_attention_heads", in: 1...1024)
    var keyValueHeadCount = headCount
    if json["num_key_value_heads"]?.isNull != true {
      keyValueHeadCount = integer(
        "num_key_value_heads", in: 1...1024, otherwise: family.keyValueHeadCount(heads: headCount))
    }
    let vocabularySize = integer("vocab_size", in: 1...4_194_304)
    if headCount % keyValueHeadCount != 0 {
      problems.append(
        .init(
          "num_key_value_heads", "is \(keyValueHeadCount)",
          expected: "a divisor of num_attention_heads (\(headCount))"))
    }
    let rope = rope()
    return ModelConfiguration(
      family: family, hiddenSize: hiddenSize, feedForwardSize: integer("intermediate_size", in: 1...1_048_576),
      layerCount: integer("num_hidden_layers", in: 1...512),
      headCount: headCount, keyValueHeadCount: keyValueHeadCount,
      headWidth: headWidth(family, hiddenSize: hiddenSize, headCount: headCount), vocabularySize: vocabularySize,
      normEpsilon: Float(number("rms_norm_eps", above: 0, below: 1, otherwise: 1e-6)), ropeTheta: rope.theta,
      ropeScaling: rope.scaling,
      biases: family.biases(
        attention: boolean("attention_bias", otherwise: false), feedForward: boolean("mlp_bias", otherwise: false)),
      tiesEmbeddings: boolean("tie_word_embeddings", otherwise: false),
      maximumPositions: integer("max_position_embeddings", in: 1...(1 << 30), otherwise: family.maximumPositions),
      beginOfSequence: tokenIDs("bos_token_id", below: vocabularySize).first,
      endOfSequence: tokenIDs("eos_token_id", below: vocabularySize), storedType: storedType())
  }

  // MARK: - Numbers that depend on others

  private mutating func headWidth(_ family: ModelFamily, hiddenSize: Int, headCount: Int) -> Int {
    let width: Int
    if value("head_dim") != nil {
      width = integer("head_dim", in: 2...1024)
    } else if let usual = family.headWidth {
      width = usual
    } else {
      guard hiddenSize % headCount == 0 else {
        problems.append(
          .init(
            "hidden_size", "is \(hiddenSize)",
            expected: "a multiple of num_attention_heads (\(headCount)), or a head_dim"))
        return 2
      }
      width = hiddenSize / headCount
    }
    // The rotary embedding rotates pairs of entries.
    if !width.isMultiple(of: 2) { problems.append(.init("head_dim", "is \(width)", expected: "an even number")) }
    return width
  }

  /// θ and the scaling of positions. transformers 4 writes `rope_theta` and `rope_scaling`, transformers 5
  /// `rope_parameters`; θ is 10000 by default.
  private mutating func rope() -> (theta: Double, scaling: RopeScaling?) {
    let plain = value("rope_theta")
    let nested = value("rope_parameters")?["rope_theta"]
    if let plain, let nested, plain.double != nested.double {
      problems.append(
        .init(
          "rope_theta", "is \(plain.serialized())", expected: "the one of rope_parameters (\(nested.serialized()))"))
    }
    let scaling = scaling("rope_parameters")
    let older = scaling ?? self.scaling("rope_scaling")
    guard let given = nested ?? plain else { return (10_000, older) }
    guard let theta = given.double, theta > 1, theta <= 1e12 else {
      problems.append(.init("rope_theta", "is \(given.serialized())", expected: "a number above 1, at most 1e12"))
      return (10_000, older)
    }
    return (theta, older)
  }

  /// The scaling in an object of rope's parameters: none, or Llama 3's.
  private mutating func scaling(_ key: String) -> RopeScaling? {
    guard let rope = value(key) else { return nil }
    guard let members = rope.members else {
      problems.append(.init(key, "is not an object"))
      return nil
    }
    let type = rope["rope_type"] ?? rope["type"]
    let isScaled = type == "llama3"
    let known = isScaled ? ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"] : []
    for member in members where !known.contains(member.name) {
      switch member.name {
      case "rope_theta": break
      case "rope_type" where member.value == "default" || isScaled: break
      case "type" where member.value == "default" || isScaled: break
      case "partial_rotary_factor" where member.value.double == 1: break
      default:
        problems.append(
          .init(
            key, "has \(member.name) \(member.value.serialized().prefix(120))",
            expected: "rope_type \"default\", or \"llama3\" with its factors"))
      }
    }
    guard isScaled else { return nil }
    func factor(_ name: String) -> Double {
      if let number = rope[name]?.double, number >= 1, number <= 1e6 { return number }
      problems.append(
        .init("\(key).\(name)", "is \(rope[name]?.serialized() ?? "missing")", expected: "a number of at least 1"))
      return 1
    }
    let (low, high) = (factor("low_freq_factor"), factor("high_freq_factor"))
    if high <= low {
      problems.append(.init("\(key).high_freq_factor", "is \(high)", expected: "more than low_freq_factor (\(low))"))
    }
    let positions = rope["original_max_position_embeddings"]?.int ?? 0
    if !(1...(1 << 30) ~= positions) {
      problems.append(
        .init("\(key).original_max_position_embeddings", "is missing or no count of positions", expected: "an integer"))
    }
    return RopeScaling(
      factor: factor("factor"), lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions: positions)
  }

  private mutating func storedType() -> ElementType? {
    let key = value("dtype") == nil ? "torch_dtype" : "dtype"
    switch value(key)?.string {
    case "bfloat16": return .bfloat16
    case "float16": return .float16
    case "float32": return .float32
    case let other:
      if let value = value(key) {
        problems.append(.init(key, "is \(other ?? value.serialized())", expected: "bfloat16, float16 or float32"))
      }
      return nil
    }
  }

  /// One id, a list of ids, or an absent key (an empty list).
  private mutating func tokenIDs(_ key: String, below bound: Int) -> [Int] {
    guard let given = value(key) else { return [] }
    let elements = given.array ?? [given]
    let ids = elements.compactMap(\.int).filter { 0..<bound ~= $0 }
    if ids.count != elements.count {
      problems.append(.init(key, "is \(given.serialized())", expected: "ids below vocab_size (\(bound))"))
    }
    return ids
  }

  // MARK: - Kinds of values

  /// The value of a key; null counts as absent.
  private func value(_ key: String) -> JSONValue? { json[key].flatMap { $0.isNull ? nil : $0 } }

  private mutating func refuse(
    _ key: String, unless isSupported: (JSONValue) -> Bool = { _ in false }, expected: String
  ) {
    guard let value = value(key), !isSupported(value) else { return }
    problems.append(.init(key, "is \(value.serialized().prefix(120))", expected: expected))
  }

  private mutating func integer(_ key: String, in range: ClosedRange<Int>, otherwise fallback: Int? = nil) -> Int {
    if let fallback, value(key) == nil { return fallback }
    guard let number = json[key]?.int, range ~= number else {
      let found = json[key].map { "is \($0.serialized().prefix(120))" } ?? "is missing"
      problems.append(.init(key, found, expected: "an integer from \(range.lowerBound) to \(range.upperBound)"))
      return range.lowerBound
    }
    return number
  }

  private mutating func number(
    _ key: String, above low: Double, below high: Double, otherwise fallback: Double
  ) -> Double {
    guard let value = value(key) else { return fallback }
    guard let number = value.double, number > low, number < high else {
      problems.append(.init(key, "is \(value.serialized())", expected: "a number between \(low) and \(high)"))
      return fallback
    }
    return number
  }

  private mutating func boolean(_ key: String, otherwise fallback: Bool) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let flag = value.bool else {
      problems.append(.init(key, "is \(value.serialized())", expected: "true or false"))
      return fallback
    }
    return flag
  }
}
