// Text with names in braces, as Python's str.format reads it.

/// A part of a text.
package struct TextPart: Sendable, Equatable {
  package var text: String
  /// Whether it is a record's own text; else a format wrote it.
  package var isField: Bool

  package static func field(_ text: String) -> Self { TextPart(text: text, isField: true) }
  package static func literal(_ text: String) -> Self { TextPart(text: text, isField: false) }
}

/// A text with names in braces; doubled braces are braces.
package struct TextFormat: Sendable, Equatable {
  enum Part: Sendable, Equatable {
    case literal(String)
    case name(String)
  }

  let parts: [Part]

  /// - Throws: `TextFormatError`, also for what Python's formats have beside names, such as `{0}` and `{name!r}`.
  package init(_ text: String) throws(TextFormatError) {
    var parts: [Part] = []
    var literal = String.UnicodeScalarView()
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "{" || scalar == "}" else {
        literal.append(scalar)
        continue
      }
      if rest.first == scalar {
        literal.append(scalar)
        rest.removeFirst()
        continue
      }
      guard scalar == "{", let end = rest.firstIndex(of: "}") else {
        throw TextFormatError(reason: "a brace stands alone: a brace that is text is written twice")
      }
      let name = String(rest[..<end])
      guard let first = name.first, !first.isNumber, name.allSatisfy({ $0 == "_" || $0.isLetter || $0.isNumber })
      else { throw TextFormatError(reason: "expected a name in braces, found {\(name)}") }
      if !literal.isEmpty { parts.append(.literal(String(literal))) }
      literal = String.UnicodeScalarView()
      parts.append(.name(name))
      rest = rest[rest.index(after: end)...]
    }
    if !literal.isEmpty { parts.append(.literal(String(literal))) }
    self.parts = parts
  }

  private init(parts: [Part]) { self.parts = parts }

  /// A format that is part of this program.
  init(own text: String) {
    guard let format = try? Self(text) else { preconditionFailure("no format: \(text)") }
    self = format
  }

  /// What a field holds and nothing else.
  static func field(_ name: String) -> Self { Self(parts: [.name(name)]) }

  /// In their order.
  package var names: [String] {
    parts.compactMap { part in if case .name(let name) = part { name } else { nil } }
  }

  /// The text with values in place of the names.
  func filled<E: Error>(_ value: (_ name: String) throws(E) -> [TextPart]) throws(E) -> [TextPart] {
    var texts: [TextPart] = []
    for part in parts {
      switch part {
      case .literal(let text): texts.append(.literal(text))
      case .name(let name): texts += try value(name)
      }
    }
    return texts
  }
}

/// The reason why a text is no format.
package struct TextFormatError: Error, Equatable {
  package let reason: String
}
