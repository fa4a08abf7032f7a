// The kinds of value that keys have: how each is read, how it is written, and what it is called.

import Corpus
import Foundation

/// A kind of value of a key.
struct ValueKind<Value>: Sendable {
  /// What a value of the kind is, for the reference and for errors: "a number greater than 0".
  let text: String
  /// The value of a key; nil when it is not of the kind, which is reported.
  let read: @Sendable (inout ConfigurationSection, _ key: String, ConfigurationTree) -> Value?
  let write: @Sendable (Value) -> ConfigurationTree

  init(
    _ text: String, read: @escaping @Sendable (inout ConfigurationSection, String, ConfigurationTree) -> Value?,
    write: @escaping @Sendable (Value) -> ConfigurationTree
  ) { (self.text, self.read, self.write) = (text, read, write) }

  /// A kind all of whose misfits are told in the same words.
  /// - Parameters:
  ///   - hint: What errors add to `text`.
  ///   - find: The value, or nil when it is not of the kind.
  init(
    _ text: String, hint: String = "", find: @escaping @Sendable (ConfigurationTree) -> Value?,
    write: @escaping @Sendable (Value) -> ConfigurationTree
  ) {
    self.init(text) { section, key, tree in
      if let value = find(tree) { return value }
      section.refuse(key, expected: text + hint)
      return nil
    } write: {
      write($0)
    }
  }
}

extension ValueKind where Value == Bool {
  static var bool: Self {
    Self("true or false") {
      $0.truth
    } write: {
      .bool($0)
    }
  }
}

extension ValueKind where Value == Int {
  /// A whole number; `16.0` and `1e3` are ones. What is counted on from a number up to the limit cannot overflow.
  static func integer(from minimum: Int, to maximum: Int = 1_000_000_000) -> Self {
    let isLimited = maximum < 1_000_000_000
    let text = isLimited ? "a whole number from \(minimum) to \(maximum)" : "a whole number of at least \(minimum)"
    return Self(text) { section, key, tree in
      if let value = tree.wholeNumber, (minimum...maximum).contains(value) { return value }
      let isTooLarge = tree.wholeNumber.map { $0 > maximum } ?? false
      section.refuse(key, expected: isTooLarge ? "a whole number of at most \(maximum)" : text)
      return nil
    } write: {
      .integer($0)
    }
  }
}

extension ValueKind where Value == Int? {
  /// As in transformers, where a number that is not positive stands for none.
  static var limit: Self {
    let number = ValueKind<Int>.integer(from: -1)
    return Self("a whole number; 0 and -1 are none") { section, key, tree in
      number.read(&section, key, tree).map { $0 > 0 ? $0 : nil }
    } write: {
      $0.map(ConfigurationTree.integer) ?? .null
    }
  }
}

extension ValueKind where Value == Double {
  /// A number above 0; a whole one is written without a fraction.
  static var scale: Self {
    Self("a number greater than 0 and below 1e9") {
      $0.finiteNumber.flatMap { $0 > 0 && $0 < 1e9 ? $0 : nil }
    } write: {
      Int(exactly: $0).map(ConfigurationTree.integer) ?? .number($0)
    }
  }

  static var positive: Self { number("a number greater than 0") { $0 > 0 } }
  static var nonNegative: Self { number("a number of at least 0") { $0 >= 0 } }
  static var belowOne: Self { number("a number from 0 to less than 1") { 0..<1 ~= $0 } }
  static var share: Self { number("a share from 0 to 1") { 0...1 ~= $0 } }

  /// A finite number for which `isValid` holds; `text` says what that is.
  static func number(_ text: String, where isValid: @escaping @Sendable (Double) -> Bool) -> Self {
    Self(text) {
      $0.finiteNumber.flatMap { isValid($0) ? $0 : nil }
    } write: {
      .number($0)
    }
  }
}

extension ValueKind where Value == String {
  static var text: Self { Self("text", hint: " (quotes make text of a number)", find: \.text) { .text($0) } }

  /// A file or directory; a leading `~` is the caller's home.
  static var path: Self {
    Self("a path", hint: " (quotes make text of a number)") { tree in
      guard let path = tree.text, !path.isEmpty else { return nil }
      guard path == "~" || path.hasPrefix("~/") else { return path }
      return FileManager.default.homeDirectoryForCurrentUser.path + path.dropFirst()
    } write: {
      .text($0)
    }
  }
}

extension ValueKind where Value == [String] {
  /// One text, or a list of at least one.
  static func texts(_ text: String) -> Self { Self(text, find: \.texts) { .list($0.map { .text($0) }) } }
}

// MARK: Words

/// A value by its word in the configuration.
typealias Word<Value> = (word: String, value: Value)

extension CaseIterable where Self: RawRepresentable, RawValue == String {
  static var words: [Word<Self>] { allCases.map { ($0.rawValue, $0) } }
}

extension ValueKind where Value: Equatable & Sendable {
  /// One of a few words. Of several words for a value the first is written.
  static func choice(_ words: [Word<Value>]) -> Self {
    Self(words.map(\.word).joined(separator: " or ")) { tree in
      words.first { $0.word == tree.text }?.value
    } write: { value in
      .text(words.first { $0.value == value }?.word)
    }
  }
}

extension ValueKind where Value: CaseIterable & RawRepresentable & Equatable & Sendable, Value.RawValue == String {
  /// One of the cases, by its raw value or by another word for it.
  static func choice(or others: [Word<Value>] = []) -> Self { .choice(Value.words + others) }
}

extension ValueKind {
  /// One word, or a list of at least one.
  static func several<Element: Equatable & Sendable>(
    of words: [Word<Element>], or others: [Word<Element>] = []
  ) -> Self where Value == [Element] {
    let names = words.map(\.word)
    let text = names.count == 1 ? names.joined() : "one or several of \(names.joined(separator: ", "))"
    return Self(text) { section, key, tree in
      let found = tree.texts?.map { name in (name: name, value: (words + others).first { $0.word == name }?.value) }
      let unknown = found?.filter { $0.value == nil }.map { name, _ in
        "\"\(name)\"" + (Spelling.nearest(to: name, among: names).map { " (did you mean \"\($0)\"?)" } ?? "")
      }
      if let found, unknown == [] { return found.compactMap(\.value) }
      section.refuse(key, expected: text, found: unknown?.joined(separator: ", "))
      return nil
    } write: { values in
      .list(values.map { value in .text(words.first { $0.value == value }?.word) })
    }
  }
}

extension ConfigurationSection {
  /// The value of `key`; one that does not fit is a problem.
  mutating func read<Value>(_ key: String, as kind: ValueKind<Value>) -> Value? {
    guard let tree = self[key] else { return nil }
    return kind.read(&self, key, tree)
  }

  /// The value of `key` for a rule: nil when it does not fit, which has been told already.
  func value<Value>(_ key: String, as kind: ValueKind<Value>) -> Value? {
    var copy = self
    return copy.read(key, as: kind)
  }
}

extension ConfigurationTree {
  fileprivate var text: String? { if case .text(let value) = content { value } else { nil } }

  /// One text, or a list of at least one.
  fileprivate var texts: [String]? {
    guard case .list(let items) = content else { return text.map { [$0] } }
    let texts = items.compactMap(\.text)
    return texts.isEmpty || texts.count < items.count ? nil : texts
  }
}
