// Selects the linear layers that `target_modules` names, by PEFT's rules.

package import Checkpoints

/// A value of `target_modules`: a pattern, or names. A name selects all modules whose path ends in it.
package struct TargetModules: Sendable {
  /// The reason why a value cannot be used.
  package struct Refusal: Error {
    package let found: String
    package let expected: String
  }

  private let names: Set<String>

  /// - Parameter value: a list of names; `"all-linear"`; a plain alternation such as `.*\.(q_proj|v_proj)`. Other
  ///   patterns are refused.
  /// - Throws: `Refusal`.
  package init(_ value: JSONValue?) throws(Refusal) {
    switch value {
    case .string("all-linear"): names = Set(LinearModule.allCases.map(\.rawValue))
    case .string(let pattern): names = Set(try Self.alternatives(of: pattern))
    case .array(let elements):
      names = Set(elements.compactMap(\.string))
      guard elements.allSatisfy({ $0.string != nil }), !names.isEmpty else {
        throw Refusal(found: "is \(value?.serialized() ?? "")", expected: "a list of module names")
      }
    default:
      throw Refusal(
        found: value.map { "is \($0.serialized().prefix(120))" } ?? "is missing",
        expected: "a list of module names or \"all-linear\"")
    }
  }

  /// The selected modules, in the order of `LinearModule`.
  ///
  /// PEFT selects a module when the name is its whole path or ends it after a dot. A module that is selected in some
  /// layers only is an error; so are the embedding and the head.
  /// - Throws: `Refusal`.
  package func modules(of model: ModelConfiguration) throws(Refusal) -> [LinearModule] {
    for other in [WeightName.embedding, .head] {
      let path = String(other.hubName.dropLast(".weight".count))
      if isMeant(path) {
        throw Refusal(found: "names \(path)", expected: "linear layers of the blocks only (\(Self.known))")
      }
    }
    var modules: [LinearModule] = []
    for module in LinearModule.allCases {
      let layers = (0..<model.layerCount).filter { isMeant(module.path(layer: $0)) }
      if layers.isEmpty { continue }
      guard layers.count == model.layerCount else {
        throw Refusal(
          found: "names \(module.rawValue) in \(layers.count) of \(model.layerCount) layers",
          expected: "a module in all layers or in none")
      }
      modules.append(module)
    }
    guard !modules.isEmpty else {
      throw Refusal(
        found: "names no linear layer of this model: \(names.sorted().joined(separator: ", ").prefix(120))",
        expected: "some of \(Self.known)")
    }
    return modules
  }

  private static var known: String { LinearModule.allCases.map(\.rawValue).joined(separator: ", ") }

  private func isMeant(_ path: String) -> Bool {
    // Looks up the path and each of its ends, because a hostile list can be as long as its file.
    let ends = path.indices.filter { path[$0] == "." }.map { String(path[path.index(after: $0)...]) }
    return ([path] + ends).contains(where: names.contains)
  }

  /// Accepts `.*\.(q_proj|v_proj)`, `.*(q_proj|v_proj)$`, `.*q_proj`: prefix, optional group, plain names.
  private static func alternatives(of pattern: String) throws(Refusal) -> [String] {
    let refusal = Refusal(
      found: "is the pattern \(pattern.prefix(120))",
      expected: #"a list of module names, "all-linear" or a pattern like .*\.(q_proj|v_proj)"#)
    var rest = pattern[...]
    if rest.hasSuffix("$") { rest.removeLast() }
    guard rest.hasPrefix(".*") else { throw refusal }
    rest.removeFirst(2)
    if rest.hasPrefix(#"\."#) { rest.removeFirst(2) }
    if rest.hasPrefix("("), rest.hasSuffix(")") {
      rest = rest.dropFirst().dropLast()
      if rest.hasPrefix("?:") { rest.removeFirst(2) }
    } else if rest.contains("|") {
      throw refusal
    }
    let names = rest.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    // Only whole module names: a shorter name would match the ends of others.
    guard names.allSatisfy({ LinearModule(rawValue: $0) != nil }) else { throw refusal }
    return names
  }
}
