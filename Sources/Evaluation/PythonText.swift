// Values as Python writes them, because lm-eval hashes and stores these texts.

package import Checkpoints
import Patterns

/// Python's `str` and `repr`.
package enum PythonText {
  /// Python's `str`.
  package static func string(_ value: JSONValue) -> String {
    if case .string(let text) = value { text } else { representation(value) }
  }

  /// Python's `repr`.
  package static func representation(_ value: JSONValue) -> String {
    switch value {
    case .null, .unusable: "None"
    case .bool(let value): value ? "True" : "False"
    case .integer(let value): value.description
    case .number(let value): number(value)
    case .string(let text): quoted(text)
    case .array(let elements): "[" + elements.map(representation).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { "\(quoted($0.name)): \(representation($0.value))" }.joined(separator: ", ") + "}"
    }
  }

  /// Python's `repr` of a float.
  package static func number(_ value: Double) -> String {
    value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : value.description
  }

  private static func quoted(_ text: String) -> String {
    let quote = text.pythonQuote
    return "\(quote)" + text.unicodeScalars.map { $0.pythonRepresentation(in: quote) }.joined() + "\(quote)"
  }
}

extension String {
  var startsWithSpace: Bool { unicodeScalars.first?.isPythonSpace ?? false }
  var endsWithSpace: Bool { unicodeScalars.last?.isPythonSpace ?? false }

  /// Python's `str.capitalize`: all letters but the first in lower case.
  var capitalizedFirst: String {
    guard let first = unicodeScalars.first else { return self }
    return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
  }

  /// Python's `str.split(separator)`.
  func parts(between separator: String) -> [String] {
    var parts: [String] = []
    var rest = utf8[...]
    while let found = rest.firstRange(of: separator.utf8) {
      parts.append(String(Substring(rest[..<found.lowerBound])))
      rest = rest[found.upperBound...]
    }
    return parts + [String(Substring(rest))]
  }

  /// The text with every occurrence of another replaced, from left to right, once.
  func replacingEvery(_ old: String, with new: String) -> String { parts(between: old).joined(separator: new) }

  /// The number of Python's characters.
  var characterCount: Int { unicodeScalars.count }

  func hasBytes(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
