// The keys of one kind of mapping, and how such a mapping is read and written by them.

import Corpus

/// All keys that a mapping which configures an `Owner` may have.
struct ConfigurationTable<Owner: Sendable>: Sendable {
  /// What an empty mapping means.
  let initial: Owner
  /// In the order in which they are read and written.
  let keys: [ConfigurationKey<Owner>]
  var inert: [InertKeys] = []
  var refused: [RefusedKeys] = []
  /// What ties several keys together, after all have been read.
  var rules: @Sendable (inout Owner, inout ConfigurationSection) -> Void = { _, _ in }

  func read(_ section: inout ConfigurationSection, into owner: inout Owner) {
    section.noteRepeatedKeys()
    sort(&section)
    for key in keys { key.take(&section, into: &owner) }
    for key in keys where !key.isEffective(owner) {
      key.copy(&owner, initial)
      let written = key.write?(owner) ?? .null
      for name in key.spellings {
        if let tree = section[name], !tree.isOff, tree.source != written.source { section.ignore(name) }
      }
    }
    rules(&owner, &section)
  }

  /// Every written key with its value, in the order of the table.
  func entries(_ owner: Owner) -> [(key: ConfigurationKey<Owner>, value: ConfigurationTree)] {
    keys.compactMap { key in key.write.map { (key, $0(owner)) } }
  }

  /// The entries of a file: without factors that their wholes tell.
  func lines(_ owner: Owner) -> [(key: ConfigurationKey<Owner>, value: ConfigurationTree)] {
    entries(owner).filter { key, value in key.wholes.isEmpty || !value.isNull }
  }

  /// A mapping of what differs from an empty one.
  func mapping(_ owner: Owner) -> ConfigurationTree {
    let members = zip(entries(owner), entries(initial)).filter { entry, usual in
      !entry.value.isNull && entry.value.source != usual.value.source
    }
    return ConfigurationTree(.mapping(members.map { ConfigurationTree.Member(name: $0.0.key.name, tree: $0.0.value) }))
  }

  /// Notes the inert keys, and reports those that are refused or unknown.
  private func sort(_ section: inout ConfigurationSection) {
    let known = Set(keys.flatMap(\.spellings))
    for member in section.members where !known.contains(member.name) {
      let name = member.name
      if let row = refused.first(where: { $0.neutral[name] != nil }), !member.tree.isOff,
        !row.isNeutral(member, in: section)
      {
        section.report(
          "`\(section.prefix)\(name)`: expected \(row.expected(name)), found \(member.tree.found): \(row.reason); "
            + row.remedy, at: member.tree.place)
      } else if member.tree.isOff || (inert.contains { $0.contains(name) })
        || (refused.contains { $0.names.contains(name) })
      {
        // Nothing depends on a key that is off, whatever its name.
        section.ignore(name)
      } else if case .line = member.tree.place, let key = keys.first(where: { $0.namesElsewhere.contains(name) }),
        let own = key.spellings.first(where: { section[$0] != nil })
      {
        // axolotl does not read it either, and the key that it does read is there.
        section.ignore("\(name) (`\(own)` is given)")
      } else {
        var hint = nearest(to: name).map { "; did you mean `\($0)`?" } ?? ""
        if hint.isEmpty, case .mapping = member.tree.content {
          hint = "; a key that is there for its anchor alone begins with `x-`"
        }
        section.report("unknown key `\(section.prefix)\(name)`\(hint)", at: member.tree.place)
      }
    }
  }

  /// The key that `name` probably meant: another trainer's name for it, one with a longer name that ends so
  /// (`target_modules`), or one a few letters away.
  private func nearest(to name: String) -> String? {
    if let key = keys.first(where: { $0.namesElsewhere.contains(name) }) { return key.name }
    let known = keys.flatMap(\.spellings)
    let longer = known.filter { $0.hasSuffix("_" + name) }
    return longer.count == 1 ? longer.first : Spelling.nearest(to: name, among: known)
  }
}

/// Keys that are accepted and change nothing here.
struct InertKeys: Sendable {
  let title: String
  /// Why no result depends on them.
  let reason: String
  /// `name_*` are all keys that begin so.
  let names: [String]

  /// - Parameter names: with blanks between them.
  init(_ title: String, _ reason: String, _ names: String) {
    (self.title, self.reason) = (title, reason)
    self.names = names.split(whereSeparator: \.isWhitespace).map(String.init)
  }

  func contains(_ name: String) -> Bool {
    names.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
  }
}

/// Keys that would change the result and that Shoal does not have: accepted where they are off.
struct RefusedKeys: Sendable {
  let names: [String]
  /// The values of each key that change nothing, beside empty and false, as they are written; `@key` is that of
  /// another key.
  let neutral: [String: [String]]
  let reason: String
  /// What to do instead, and what a run lacks without the key.
  let remedy: String

  /// - Parameter names: with blanks between them; `name=1|2` has the neutral values 1 and 2.
  init(_ names: String, because reason: String, remedy: String = "leave it out") {
    (self.reason, self.remedy) = (reason, remedy)
    let words = names.split(whereSeparator: \.isWhitespace).map { $0.split(separator: "=").map(String.init) }
    self.names = words.map { $0[0] }
    neutral = Dictionary(
      uniqueKeysWithValues: words.map { ($0[0], $0.dropFirst().flatMap { $0.split(separator: "|").map(String.init) }) })
  }

  func isNeutral(_ member: ConfigurationTree.Member, in section: ConfigurationSection) -> Bool {
    neutral[member.name, default: []].contains { value in
      guard !value.hasPrefix("@") else { return section[String(value.dropFirst())]?.source == member.tree.source }
      let number = member.tree.finiteNumber
      return number == nil ? value == member.tree.source : number == Double(value)
    }
  }

  /// What a message says that a value may be.
  func expected(_ name: String) -> String {
    let values = neutral[name, default: []].map { $0.hasPrefix("@") ? "the value of `\($0.dropFirst())`" : $0 }
    let all = ["nothing"] + values + ["false"]
    return all.dropLast().joined(separator: ", ") + " or false"
  }
}

extension ConfigurationSection {
  /// What a mapping inside this one means. Its notes are kept; nil when it is no mapping.
  mutating func section<Part>(_ key: String, _ tree: ConfigurationTree, _ table: ConfigurationTable<Part>) -> Part? {
    guard var section = ConfigurationSection(tree, prefix: "\(prefix)\(key).") else {
      report("`\(prefix)\(key)`: expected a mapping of keys, found \(tree.found)", at: tree.place)
      return nil
    }
    var part = table.initial
    table.read(&section, into: &part)
    problems += section.problems
    ignoredKeys += section.ignoredKeys
    notices += section.notices
    return part
  }
}

// MARK: Mappings

extension ValueKind where Value: Sendable {
  /// A mapping with keys of its own.
  static func mapping(_ table: ConfigurationTable<Value>) -> Self {
    let names = table.keys.map(\.name)
    return Self(names.isEmpty ? "a mapping" : "a mapping of \(names.joined(separator: ", "))") { section, key, tree in
      section.section(key, tree, table)
    } write: {
      table.mapping($0)
    }
  }

  /// A list of at least one mapping; an empty list is not written.
  static func list<Part: Sendable>(_ text: String, of table: ConfigurationTable<Part>) -> Self where Value == [Part] {
    Self(text) { section, key, tree in
      guard case .list(let items) = tree.content, !items.isEmpty else {
        section.refuse(key, expected: text)
        return nil
      }
      var parts: [Part] = []
      for (index, item) in items.enumerated() {
        if let part = section.section("\(key).\(index)", item, table) { parts.append(part) }
      }
      return parts
    } write: {
      $0.isEmpty ? .null : .list($0.map(table.mapping))
    }
  }
}
