// Text with its origin: what the template wrote, and what came from data. Only the template's own text may become
// special tokens.

/// A string of a template, as runs of one origin each. Positions count Unicode code points, as in Python.
package struct TemplateText: Sendable {
  package enum Origin: Sendable, Equatable {
    case template
    /// Data; `message` is the index of the message whose content it is.
    case data(message: Int?)
  }

  package struct Run: Sendable {
    package var text: String
    package var origin: Origin
  }

  package private(set) var runs: [Run]

  package init(_ text: String, _ origin: Origin = .template) {
    runs = text.isEmpty ? [] : [Run(text: text, origin: origin)]
  }

  init(runs: [Run]) { self.runs = runs.filter { !$0.text.isEmpty } }

  package var plain: String { runs.count == 1 ? runs[0].text : runs.map(\.text).joined() }

  var isEmpty: Bool { runs.isEmpty }
  var count: Int { runs.reduce(0) { $0 + $1.text.unicodeScalars.count } }
  var byteCount: Int { runs.reduce(0) { $0 + $1.text.utf8.count } }
  var scalars: [Unicode.Scalar] { runs.flatMap(\.text.unicodeScalars) }

  static func + (left: Self, right: Self) -> Self {
    var sum = left
    sum.append(right)
    return sum
  }

  mutating func append(_ other: Self) {
    for run in other.runs {
      if let last = runs.last, last.origin == run.origin {
        runs[runs.count - 1].text += run.text
      } else {
        runs.append(run)
      }
    }
  }

  static func joined(_ parts: [Self], separator: Self = Self("")) -> Self {
    var sum = Self("")
    for (place, part) in parts.enumerated() {
      if place > 0 { sum.append(separator) }
      sum.append(part)
    }
    return sum
  }

  /// The code points of a range.
  func slice(_ range: Range<Int>) -> Self {
    var found: [Run] = []
    var start = 0
    for run in runs {
      let scalars = run.text.unicodeScalars
      let end = start + scalars.count
      defer { start = end }
      let part = range.clamped(to: start..<end)
      guard !part.isEmpty else { continue }
      let lower = scalars.index(scalars.startIndex, offsetBy: part.lowerBound - start)
      let upper = scalars.index(lower, offsetBy: part.count)
      found.append(Run(text: String(scalars[lower..<upper]), origin: run.origin))
    }
    return Self(runs: found)
  }

  /// Every run changed on its own.
  func map(_ change: (String) -> String) -> Self {
    Self(runs: runs.map { Run(text: change($0.text), origin: $0.origin) })
  }

  /// A text made of this one and others as a whole, of data if any of them is.
  func derived(_ text: String) -> Self {
    Self(text, runs.contains { $0.origin != .template } ? .data(message: nil) : .template)
  }

  // MARK: As Python's str

  func stripped(_ characters: Set<Unicode.Scalar>? = nil, left: Bool = true, right: Bool = true) -> Self {
    let scalars = scalars
    func isStripped(_ scalar: Unicode.Scalar) -> Bool { characters?.contains(scalar) ?? Self.isSpace(scalar) }
    var (start, end) = (0, scalars.count)
    while left, start < end, isStripped(scalars[start]) { start += 1 }
    while right, start < end, isStripped(scalars[end - 1]) { end -= 1 }
    return slice(start..<end)
  }

  /// Python's `str.isspace`.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
  }

  /// The starts of `needle`, from left to right, without overlaps.
  func places(of needle: [Unicode.Scalar], limit: Int = .max) -> [Int] {
    let scalars = scalars
    guard !needle.isEmpty, needle.count <= scalars.count else { return [] }
    var places: [Int] = []
    var place = 0
    while place + needle.count <= scalars.count, places.count < limit {
      if scalars[place] == needle[0], scalars[place..<place + needle.count].elementsEqual(needle) {
        places.append(place)
        place += needle.count
      } else {
        place += 1
      }
    }
    return places
  }

  /// The parts between separators at most `limit` times.
  func split(by separator: Self, limit: Int = .max) -> [Self] {
    let needle = separator.scalars
    var parts: [Self] = []
    var start = 0
    for place in places(of: needle, limit: limit) {
      parts.append(slice(start..<place))
      start = place + needle.count
    }
    return parts + [slice(start..<count)]
  }

  /// The parts between white space.
  func words(limit: Int = .max) -> [Self] {
    let scalars = scalars
    var parts: [Self] = []
    var place = 0
    while true {
      while place < scalars.count, Self.isSpace(scalars[place]) { place += 1 }
      guard place < scalars.count else { return parts }
      let start = place
      guard parts.count < limit else { return parts + [slice(start..<scalars.count).stripped(left: false)] }
      while place < scalars.count, !Self.isSpace(scalars[place]) { place += 1 }
      parts.append(slice(start..<place))
    }
  }

  func replacing(_ old: Self, with new: Self, limit: Int = .max) -> Self {
    guard !old.isEmpty else {
      // Python puts the new text around every code point.
      let letters = scalars.indices.map { slice($0..<$0 + 1) }
      let parts = Array(letters.prefix(max(0, limit - 1)))
      return new + Self.joined(parts.map { $0 + new }) + Self.joined(Array(letters.dropFirst(parts.count)))
    }
    return Self.joined(split(by: old, limit: limit), separator: new)
  }
}

extension TemplateText: Equatable, Hashable {
  package static func == (left: Self, right: Self) -> Bool { left.plain.utf8.elementsEqual(right.plain.utf8) }

  package func hash(into hasher: inout Hasher) { for byte in plain.utf8 { hasher.combine(byte) } }
}
