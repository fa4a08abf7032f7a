// What a plain scalar of YAML 1.1 means, as PyYAML takes it.

/// The value of a scalar without quotes and tag.
package enum YAMLScalar {
  /// The null, the truth or the number without digits that a word stands for; nil for any other text.
  package static func word(_ text: String) -> JSONValue? {
    switch text {
    case "", "~", "null", "Null", "NULL": .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": .number(.infinity)
    case "-.inf", "-.Inf", "-.INF": .number(-.infinity)
    case ".nan", ".NaN", ".NAN": .number(.nan)
    default: nil
    }
  }

  /// A word, a number or a text. Dates are texts; whole numbers beyond 64 bits are numbers with a fraction.
  package static func value(_ text: String) -> JSONValue { word(text) ?? number(text) ?? .string(text) }

  private static func number(_ text: String) -> JSONValue? {
    // No other character begins a number.
    guard let first = text.utf8.first, "+-.0123456789".utf8.contains(first) else { return nil }
    let digits = text.filter { $0 != "_" }
    if text.wholeMatch(of: /[-+]?(0|[1-9][0-9_]*)/) != nil {
      return Int64(digits).map(JSONValue.integer) ?? Double(digits).map(JSONValue.number)
    }
    if let match = text.wholeMatch(of: /([-+]?)0(?:b([01_]+)|x([0-9a-fA-F_]+)|([0-7_]+))/) {
      let (part, radix) = match.2.map { ($0, 2) } ?? match.3.map { ($0, 16) } ?? (match.4 ?? "", 8)
      return Int64(String(match.1) + part.filter { $0 != "_" }, radix: radix).map(JSONValue.integer)
    }
    // A fraction has a point, and an exponent a sign.
    if text.wholeMatch(of: /([-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?/) != nil {
      return Double(digits.replacing(/\.(?=[eE]|$)/, with: ".0")).map(JSONValue.number)
    }
    return sexagesimal(digits, in: text)
  }

  /// `1:30` is 90, `1:30.5` is 90.5.
  private static func sexagesimal(_ digits: String, in text: String) -> JSONValue? {
    let isWhole = text.wholeMatch(of: /[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+/) != nil
    guard isWhole || text.wholeMatch(of: /[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*/) != nil else { return nil }
    let places = digits.drop { $0 == "-" || $0 == "+" }.split(separator: ":").map {
      Double($0.last == "." ? $0 + "0" : $0) ?? 0
    }
    let value = places.reduce(0) { $0 * 60 + $1 } * (digits.first == "-" ? -1 : 1)
    return isWhole ? Int64(exactly: value).map(JSONValue.integer) : .number(value)
  }
}
