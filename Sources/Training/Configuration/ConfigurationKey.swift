// One key of a configuration is one row: all that the reader, the writer and the reference know of it.

/// A key of a mapping that configures an `Owner`: a run, or a data set.
struct ConfigurationKey<Owner: Sendable>: Sendable {
  let name: String
  /// What a value is, in a few words.
  let kind: String
  /// What the key does, in one line.
  let summary: String
  /// Other names of the key, all with the same meaning.
  private(set) var otherSpellings: [String] = []
  /// What other trainers call it: only for the suggestion when one of them is found.
  private(set) var namesElsewhere: [String] = []
  /// What is expected when the key is not there; nil: it may be left out.
  private(set) var required: String?
  /// The default in words, where the value of a fresh owner does not tell.
  private(set) var statedDefault: String?
  /// Keys whose value this one gives or contributes to.
  private(set) var wholes: [String] = []
  /// Whether a resumed run may change it: what is printed and saved, not what is trained.
  private(set) var mayChangeOnResume = false
  /// Whether what is trained depends on it all the same.
  private(set) var isDecisive: @Sendable (Owner) -> Bool = { _ in false }
  /// Whether the value means something beside the others. One that does not is the default, and a notice names the key.
  private(set) var isEffective: @Sendable (Owner) -> Bool = { _ in true }
  /// Takes the value, which is there under the given spelling.
  private let read: @Sendable (_ spelling: String, inout ConfigurationSection, inout Owner) -> Void
  /// The value; nil for a key that is not written.
  private(set) var write: (@Sendable (Owner) -> ConfigurationTree)?
  /// Takes the value from another owner.
  let copy: @Sendable (inout Owner, _ other: Owner) -> Void

  var spellings: [String] { [name] + otherSpellings }

  /// Reads the key if it is there.
  func take(_ section: inout ConfigurationSection, into owner: inout Owner) {
    let found = spellings.filter { section[$0] != nil }
    guard let first = found.first else {
      if let required { section.refuse(name, expected: required) }
      return
    }
    read(first, &section, &owner)
    for other in found.dropFirst() {
      var second = owner
      read(other, &section, &second)
      if write?(second).source != write?(owner).source { section.refuse(other, asAnotherNameOf: first) }
    }
  }
}

extension ConfigurationKey {
  typealias Path<Value> = any WritableKeyPath<Owner, Value> & Sendable

  /// A key that is a property.
  init<Value>(_ name: String, _ path: Path<Value>, _ kind: ValueKind<Value>, _ summary: String) {
    self.init(
      name: name, kind: kind.text, summary: summary,
      read: { if let value = $1.read($0, as: kind) { $2[keyPath: path] = value } },
      write: { kind.write($0[keyPath: path]) },
      copy: { $0[keyPath: path] = $1[keyPath: path] })
  }

  /// A key that is a property which may be nil: empty when written.
  init<Value>(_ name: String, _ path: Path<Value?>, _ kind: ValueKind<Value>, _ summary: String) {
    self.init(
      name: name, kind: kind.text, summary: summary,
      read: { if let value = $1.read($0, as: kind) { $2[keyPath: path] = value } },
      write: { $0[keyPath: path].map(kind.write) ?? .null },
      copy: { $0[keyPath: path] = $1[keyPath: path] })
  }

  /// A key whose value is checked here, and used by a rule.
  init<Value>(
    _ name: String, _ kind: ValueKind<Value>, _ summary: String, write: (@Sendable (Owner) -> ConfigurationTree)? = nil
  ) {
    self.init(
      name: name, kind: kind.text, summary: summary, read: { name, section, _ in _ = section.read(name, as: kind) },
      write: write, copy: { _, _ in })
  }
}

// MARK: What else a row may say

extension ConfigurationKey {
  private func with(_ change: (inout Self) -> Void) -> Self {
    var key = self
    change(&key)
    return key
  }

  func also(_ spellings: String...) -> Self { with { $0.otherSpellings = spellings } }
  func elsewhere(_ names: String...) -> Self { with { $0.namesElsewhere = names } }
  func required(_ expected: String? = nil) -> Self { with { $0.required = expected ?? kind } }
  func standing(at text: String) -> Self { with { $0.statedDefault = text } }
  func changeableOnResume(unless isDecisive: @escaping @Sendable (Owner) -> Bool = { _ in false }) -> Self {
    with { ($0.mayChangeOnResume, $0.isDecisive) = (true, isDecisive) }
  }
  func effective(if condition: @escaping @Sendable (Owner) -> Bool) -> Self { with { $0.isEffective = condition } }

  /// A key that is not written: `wholes` say what it said.
  func part(of wholes: String...) -> Self { with { ($0.wholes, $0.write) = (wholes, nil) } }

  /// A key that may tell the value of others, and is written too.
  func telling(_ wholes: String...) -> Self { with { $0.wholes = wholes } }

  /// A key that is written only where it means something.
  func absent(unless condition: @escaping @Sendable (Owner) -> Bool) -> Self {
    effective(if: condition).written(if: condition)
  }

  /// A key that is sometimes not written, and still is what it was when it was read.
  func written(if condition: @escaping @Sendable (Owner) -> Bool) -> Self {
    let write = write
    return with { $0.write = { condition($0) ? write?($0) ?? .null : .null } }
  }
}
