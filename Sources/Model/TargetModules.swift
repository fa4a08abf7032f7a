// Selects the linear layers that an adapter's configuration names, by PEFT's rules.

package import Checkpoints
import Patterns

/// The modules that `target_modules`, `exclude_modules`, `layers_to_transform` and `layers_pattern` select.
package struct TargetModules: Sendable {
  /// The reason why a value cannot be used.
  package struct Refusal: Error {
    package let key: String
    package let found: String
    package let expected: String?
  }

  /// A list of names, each a module's whole path or its end after a dot; or a pattern for the whole path.
  private enum Names: Sendable {
    case listed(Set<String>)
    case matching(RegularExpression)

    func areMeant(_ path: String) -> Bool { isWhole(path) || hasEnd(of: path) }

    func isWhole(_ path: String) -> Bool {
      switch self {
      case .listed(let names): names.contains(path)
      case .matching(let pattern): pattern.matches(path)
      }
    }

    func hasEnd(of path: String) -> Bool {
      guard case .listed(let names) = self else { return false }
      // Looks up each of its ends, because a hostile list can be as long as its file.
      return path.indices.contains { path[$0] == "." && names.contains(String(path[path.index(after: $0)...])) }
    }
  }

  private let targets: Names
  private let excluded: Names?
  /// The layers that a name that is not a whole path is limited to.
  private let layers: Set<Int>?
  /// What is before the layer's number in a path; any, if there is none.
  private let layersPatterns: [RegularExpression]

  /// - Parameter configuration: the members of adapter_config.json.
  /// - Throws: `Refusal`.
  package init(_ configuration: JSONValue) throws(Refusal) {
    let value = configuration["target_modules"]
    if case .string(let text) = value, text.lowercased() == "all-linear" {
      targets = .listed(Set(LinearModule.allCases.map(\.rawValue)))
    } else if let names = try Self.names(value, "target_modules") {
      targets = names
    } else {
      throw Refusal(
        key: "target_modules", found: found(value),
        expected: "a list of module names, a pattern or \"all-linear\"")
    }
    excluded = try Self.names(configuration["exclude_modules"], "exclude_modules")
    layers = try Self.layers(configuration["layers_to_transform"])
    if layers != nil, value?.string != nil {
      throw Refusal(
        key: "layers_to_transform", found: found(configuration["layers_to_transform"]),
        expected: "null beside a target_modules that is no list, as PEFT does")
    }
    layersPatterns = try Self.layersPatterns(configuration["layers_pattern"])
  }

  /// A list or a pattern; nil when the value is empty.
  private static func names(_ value: JSONValue?, _ key: String) throws(Refusal) -> Names? {
    switch value {
    case nil, .null, .array([]), .string(""): return nil
    case .string(let pattern): return .matching(try Self.pattern(pattern, key))
    case .array(let elements):
      let names = elements.compactMap(\.string)
      if names.count == elements.count { return .listed(Set(names)) }
    default: break
    }
    throw Refusal(key: key, found: found(value), expected: "a list of module names, or a pattern")
  }

  private static func pattern(_ text: String, _ key: String) throws(Refusal) -> RegularExpression {
    do throws(RegularExpression.Refusal) {
      return try RegularExpression(text)
    } catch {
      throw Refusal(key: key, found: "is the pattern \(text.prefix(120)), which \(error.reason)", expected: nil)
    }
  }

  private static func layers(_ value: JSONValue?) throws(Refusal) -> Set<Int>? {
    switch value {
    case nil, .null, .array([]): return nil
    case .integer(let layer): return [Int(layer)]
    case .array(let elements):
      let layers = elements.compactMap(\.int)
      if layers.count == elements.count { return Set(layers) }
    default: break
    }
    throw Refusal(key: "layers_to_transform", found: found(value), expected: "a layer's number, or a list of them")
  }

  private static func layersPatterns(_ value: JSONValue?) throws(Refusal) -> [RegularExpression] {
    let texts: [String]
    switch value {
    case nil, .null, .string(""): return []
    case .string(let text): texts = [text]
    case .array(let elements) where elements.allSatisfy { $0.string != nil }: texts = elements.compactMap(\.string)
    default:
      throw Refusal(key: "layers_pattern", found: found(value), expected: "the name of the list of layers, or a list")
    }
    var patterns: [RegularExpression] = []
    for text in texts {
      // PEFT puts the text into its own pattern as it is, so an alternative would take all of that apart.
      guard texts.count <= 16, !text.contains("|") else {
        throw Refusal(key: "layers_pattern", found: found(value), expected: "at most 16 names, without alternatives")
      }
      patterns.append(try pattern(#"(?:^|.*?\.)\#(text)\.(?P<idx>\d+)\..*"#, "layers_pattern"))
    }
    return patterns
  }

  // MARK: Selecting

  /// - Parameter layer: the number in the path that PEFT takes for the layer; nil if it finds none.
  private func isSelected(_ path: String, layer: Int?) -> Bool {
    if excluded?.areMeant(path) == true { return false }
    if targets.isWhole(path) { return true }
    guard targets.hasEnd(of: path) else { return false }
    guard let layers else { return true }
    guard let layer, layers.contains(layer) else { return false }
    return layersPatterns.isEmpty || layersPatterns.contains { $0.matches(path) }
  }

  /// The selected modules of every layer, in the order of `LinearModule`.
  /// - Throws: `Refusal` when nothing is selected, or what is no linear layer of a block.
  package func modules(of model: ModelConfiguration) throws(Refusal) -> [[LinearModule]] {
    let modules = (0..<model.layerCount).map { layer in
      LinearModule.allCases.filter { isSelected($0.path(layer: layer), layer: layer) }
    }
    let known = LinearModule.allCases.map(\.rawValue).joined(separator: ", ")
    for (path, layer) in Self.otherPaths(of: model) where isSelected(path, layer: layer) {
      throw Refusal(
        key: "target_modules", found: "selects \(path)", expected: "linear layers of the blocks only (\(known))")
    }
    guard modules.contains(where: { !$0.isEmpty }) else {
      throw Refusal(key: "target_modules", found: "selects no linear layer of this model", expected: "some of \(known)")
    }
    return modules
  }

  /// The modules of Qwen2 that are no linear layer of a block.
  private static func otherPaths(of model: ModelConfiguration) -> [(path: String, layer: Int?)] {
    let outside: [(String, Int?)] = [
      ("model", nil), ("model.embed_tokens", nil), ("model.layers", nil), ("model.norm", nil),
      ("model.rotary_emb", nil),
      ("lm_head", nil),
    ]
    return outside
      + (0..<model.layerCount).flatMap { layer -> [(String, Int?)] in
        let parts = ["self_attn", "mlp", "mlp.act_fn", "input_layernorm", "post_attention_layernorm"]
        return [("model.layers.\(layer)", nil)] + parts.map { ("model.layers.\(layer).\($0)", layer) }
      }
  }
}

private func found(_ value: JSONValue?) -> String {
  value.map { "is \($0.serialized().prefix(120))" } ?? "is missing"
}

/// The values of `rank_pattern` or `alpha_pattern`, in their order: the first pattern that matches a path counts.
struct ModuleValues {
  private let key: String
  private let values: [(pattern: RegularExpression, value: JSONValue)]

  /// More patterns than any model has modules would only cost time.
  private static let most = 4096

  /// - Parameters:
  ///   - expected: what a value is, for the message.
  ///   - isValid: whether a value is that.
  init(
    _ configuration: JSONValue, _ key: String, expected: String, isValid: (JSONValue) -> Bool
  ) throws(TargetModules.Refusal) {
    self.key = key
    guard let value = configuration[key], !value.isNull else {
      values = []
      return
    }
    guard let members = value.members, members.count <= Self.most else {
      throw .init(key: key, found: found(value), expected: "an object of at most \(Self.most) names")
    }
    var values: [(RegularExpression, JSONValue)] = []
    var states = 0
    for member in members {
      guard isValid(member.value) else {
        throw .init(key: key, found: "gives \(member.name) \(member.value.serialized().prefix(40))", expected: expected)
      }
      do throws(RegularExpression.Refusal) {
        // The name's own group keeps its alternatives together.
        let pattern = try RegularExpression(#"(?:.*\.)?(?:\#(member.name))$"#)
        states += pattern.stateCount
        guard states <= RegularExpression.maximumStates * 2 else {
          throw RegularExpression.Refusal(reason: "is one of too many")
        }
        values.append((pattern, member.value))
      } catch {
        throw .init(key: key, found: "has the pattern \(member.name.prefix(120)), which \(error.reason)", expected: nil)
      }
    }
    self.values = values
  }

  func value(of path: String) -> JSONValue? { values.first { $0.pattern.matches(path) }?.value }
}
