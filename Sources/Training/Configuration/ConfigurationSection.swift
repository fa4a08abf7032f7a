// One mapping of a configuration while it is read; what is wrong is collected, not thrown.

/// A mapping, key by key. A value that does not fit adds a problem and reads as absent.
struct ConfigurationSection {
  /// What comes before a key in messages: "" at the top, "datasets.0." in the first data set.
  let prefix: String
  let members: [ConfigurationTree.Member]
  private let place: ConfigurationProblem.Place
  var problems: [ConfigurationProblem] = []
  /// Keys that were accepted and have no effect.
  var ignoredKeys: [String] = []
  /// What is legal, and may not be what was meant: a line each.
  var notices: [String] = []

  /// - Parameter tree: A mapping; null is an empty one, and anything else is no section.
  init?(_ tree: ConfigurationTree, prefix: String = "") {
    self.prefix = prefix
    place = tree.place
    switch tree.content {
    case .mapping(let members): self.members = members
    case .null: members = []
    default: return nil
    }
  }

  /// The value of `key`, or nil when the key is absent or empty.
  subscript(key: String) -> ConfigurationTree? { members.first { $0.name == key && !$0.tree.isEmpty }?.tree }
}

// MARK: What is wrong

extension ConfigurationSection {
  mutating func report(_ text: String, at place: ConfigurationProblem.Place) {
    problems.append(ConfigurationProblem(place: place, text: text))
  }

  /// Reports what is wrong with the value of `key`.
  mutating func report(_ text: String, about key: String) { report(text, at: place(of: key)) }

  /// As in PyYAML, the last of several values of a key counts.
  mutating func noteRepeatedKeys() {
    for member in members {
      for place in member.replaced {
        notices.append(
          "\(place.name): `\(prefix)\(member.name)` is given again at \(member.tree.place.name), which counts")
      }
    }
  }

  mutating func ignore(_ key: String) { ignoredKeys.append(prefix + key) }

  /// Reports that the value of `key`, or a part of it, is not what was expected.
  mutating func refuse(_ key: String, expected: String, found: String? = nil) {
    if let tree = members.first(where: { $0.name == key })?.tree {
      report("`\(prefix)\(key)`: expected \(expected), found \(found ?? tree.found)", at: tree.place)
    } else {
      report("missing key `\(prefix)\(key)`: expected \(expected)", about: key)
    }
  }

  /// Reports that the value of `key` means something that is not built.
  mutating func refuseNotBuilt(_ key: String, built: String) {
    guard let tree = self[key] else { return }
    report("`\(prefix)\(key): \(tree.source)` is not built yet in this version; built: \(built)", at: tree.place)
  }

  /// Reports two names of one key that say different things.
  mutating func refuse(_ key: String, asAnotherNameOf name: String) {
    guard let tree = self[key], let other = self[name] else { return }
    report(
      "`\(prefix)\(key): \(tree.source)` is another name of `\(name)`, which is \(other.source): give one",
      at: tree.place)
  }

  /// Reports two keys that cannot go together, at the first.
  mutating func exclude(_ key: String, _ other: String) {
    report("`\(prefix)\(key)` and `\(other)` exclude each other: give one", about: key)
  }

  /// Where `key` is, or would have to be: a key missing at the top has no line.
  private func place(of key: String) -> ConfigurationProblem.Place {
    members.first { $0.name == key }?.tree.place ?? (prefix.isEmpty ? .file : place)
  }
}
