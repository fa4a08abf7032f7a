// One mapping of a configuration, read key by key; what is wrong is collected, not thrown.

import Foundation

/// A mapping with typed access. A value that does not fit adds a problem and reads as absent.
struct ConfigurationSection {
  /// What comes before a key in messages: "" at the top, "datasets.0." in the first data set.
  let prefix: String
  let place: ConfigurationProblem.Place
  private let members: [ConfigurationTree.Member]
  private(set) var problems: [ConfigurationProblem] = []

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
  subscript(key: String) -> ConfigurationTree? {
    members.first { $0.name == key && !$0.tree.isNull }?.tree
  }

  mutating func report(_ text: String, at place: ConfigurationProblem.Place) {
    problems.append(ConfigurationProblem(place: place, text: text))
  }

  /// Where `key` is, or would have to be: a key missing at the top has no line.
  func place(of key: String) -> ConfigurationProblem.Place {
    members.first { $0.name == key }?.tree.place ?? (prefix.isEmpty ? .file : place)
  }

  /// Reports that the value of `key` is not what was expected.
  mutating func refuse(_ key: String, expected: String) {
    if let tree = members.first(where: { $0.name == key })?.tree {
      report("`\(prefix)\(key)`: expected \(expected), found \(tree.found)", at: tree.place)
    } else {
      report("missing key `\(prefix)\(key)`: expected \(expected)", at: place(of: key))
    }
  }

  /// Reports that the value of `key` means something that is not built.
  mutating func refuseNotBuilt(_ key: String, built: String) {
    guard let tree = self[key] else { return }
    report(
      "`\(prefix)\(key): \(tree.source)` is not built yet in this version; built: \(built)",
      at: tree.place)
  }

  /// Sorts all keys into their classes and reports the unknown ones.
  /// - Returns: the keys that were accepted and have no effect, in the order of the file.
  mutating func classifyKeys(
    used: [String], notBuilt: [String], foreign: Set<String>, isWithoutEffect: (String) -> Bool
  ) -> [String] {
    var ignored: [String] = []
    for member in members where !used.contains(member.name) {
      let name = member.name
      if notBuilt.contains(name) {
        if !member.tree.isOff { refuseNotBuilt(name, built: "an empty value or false") }
      } else if foreign.contains(name) {
        if member.tree.isOff {
          ignored.append(prefix + name)
        } else {
          report(
            "`\(prefix)\(name)` is an option of axolotl that changes the result and that Shoal does "
              + "not have: leave it out", at: member.tree.place)
        }
      } else if isWithoutEffect(name) {
        ignored.append(prefix + name)
      } else {
        let nearest = ConfigurationKeys.nearest(to: name, among: used + notBuilt)
        let hint = nearest.map { "; did you mean `\($0)`?" } ?? ""
        report("unknown key `\(prefix)\(name)`\(hint)", at: member.tree.place)
      }
    }
    return ignored
  }
}

extension ConfigurationSection {
  mutating func bool(_ key: String) -> Bool? {
    guard let tree = self[key] else { return nil }
    if case .bool(let value) = tree.content { return value }
    refuse(key, expected: "true or false")
    return nil
  }

  /// A whole number; `16.0` and `1e3` are ones. What is counted on from a number within the bounds cannot overflow.
  mutating func integer(_ key: String, atLeast minimum: Int, atMost maximum: Int = 1_000_000_000) -> Int? {
    guard let tree = self[key] else { return nil }
    guard let value = tree.wholeNumber, value >= minimum else {
      refuse(key, expected: "a whole number of at least \(minimum)")
      return nil
    }
    guard value <= maximum else {
      refuse(key, expected: "a whole number of at most \(maximum)")
      return nil
    }
    return value
  }

  /// A finite number for which `isValid` holds; `expected` says what that is.
  mutating func number(_ key: String, _ expected: String, where isValid: (Double) -> Bool) -> Double? {
    guard let tree = self[key] else { return nil }
    if let value = tree.finiteNumber, isValid(value) { return value }
    refuse(key, expected: expected)
    return nil
  }

  mutating func text(_ key: String) -> String? {
    guard let tree = self[key] else { return nil }
    if case .text(let value) = tree.content { return value }
    refuse(key, expected: "text (quotes make text of a number)")
    return nil
  }

  /// A file or directory; a leading `~` is the caller's home.
  mutating func path(_ key: String) -> String? {
    guard let tree = self[key] else { return nil }
    if case .text(let value) = tree.content, !value.isEmpty { return expandingHome(value) }
    refuse(key, expected: "a path (quotes make text of a number)")
    return nil
  }

  /// One text, or a list of at least one.
  mutating func texts(_ key: String, expected: String) -> [String]? {
    guard let tree = self[key] else { return nil }
    switch tree.content {
    case .text(let value): return [value]
    case .list(let items):
      let values = items.compactMap { item -> String? in
        if case .text(let value) = item.content { value } else { nil }
      }
      if !values.isEmpty, values.count == items.count { return values }
    default: break
    }
    refuse(key, expected: expected)
    return nil
  }

  /// One of a few words. Those of `notBuilt` are known, and refused as such.
  mutating func choice(_ key: String, built: [String], notBuilt: [String] = []) -> String? {
    guard let tree = self[key] else { return nil }
    if case .text(let value) = tree.content {
      if built.contains(value) { return value }
      if notBuilt.contains(value) {
        refuseNotBuilt(key, built: built.joined(separator: ", "))
        return nil
      }
    }
    refuse(key, expected: built.joined(separator: " or "))
    return nil
  }

  /// Reads a mapping inside this one with a section of its own and keeps its problems.
  mutating func section<Value>(
    _ tree: ConfigurationTree, name: String, read: (inout ConfigurationSection) -> Value
  ) -> Value? {
    guard var section = ConfigurationSection(tree, prefix: "\(prefix)\(name).") else {
      report("`\(prefix)\(name)`: expected a mapping of keys, found \(tree.found)", at: tree.place)
      return nil
    }
    let value = read(&section)
    problems += section.problems
    return value
  }
}

/// `~` and `~/…` are the caller's home; any other path stays as it is, relative to the current directory.
private func expandingHome(_ path: String) -> String {
  guard path == "~" || path.hasPrefix("~/") else { return path }
  return FileManager.default.homeDirectoryForCurrentUser.path + path.dropFirst()
}
