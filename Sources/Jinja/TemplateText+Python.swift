// Texts as Python's str has them. Everything reads a text once.

import Foundation
import Patterns

extension TemplateText {
  func stripped(_ characters: Set<Unicode.Scalar>? = nil, left: Bool = true, right: Bool = true) -> Self {
    func isStripped(_ scalar: Unicode.Scalar) -> Bool { characters?.contains(scalar) ?? scalar.isPythonSpace }
    func width(_ texts: some Sequence<some Sequence<Unicode.Scalar>>) -> Int {
      var width = 0
      for text in texts {
        for scalar in text {
          guard isStripped(scalar) else { return width }
          width += UTF8.width(scalar)
        }
      }
      return width
    }
    let count = byteCount
    let start = left ? width(runs.lazy.map(\.text.unicodeScalars)) : 0
    let end =
      right && start < count ? count - width(runs.reversed().lazy.map { $0.text.unicodeScalars.reversed() }) : count
    return start == 0 && end == count ? self : slice(bytes: start..<end)
  }

  /// The bytes before every occurrence of a text, from left to right, without overlaps. Takes linear time, whatever the
  /// texts (Knuth, Morris and Pratt).
  func places(of part: Self, limit: Int = .max) -> [Int] {
    guard !part.isEmpty, part.byteCount <= byteCount, limit > 0 else { return [] }
    return plain.withBytes { bytes in
      part.plain.withBytes { wanted in
        let table = Self.prefixes(of: wanted)
        var places: [Int] = []
        var (place, matched) = (0, 0)
        while place < bytes.count, places.count < limit {
          if matched == 0 {
            guard let found = memchr(bytes.baseAddress! + place, Int32(wanted[0]), bytes.count - place) else { break }
            place = UnsafeRawPointer(found) - UnsafeRawPointer(bytes.baseAddress!)
          }
          while matched > 0, bytes[place] != wanted[matched] { matched = table[matched - 1] }
          if bytes[place] == wanted[matched] { matched += 1 }
          place += 1
          if matched == wanted.count {
            places.append(place - matched)
            matched = 0
          }
        }
        return places
      }
    }
  }

  /// For every beginning of a text, how long the longest shorter beginning is that it ends with.
  private static func prefixes(of bytes: UnsafeBufferPointer<UInt8>) -> [Int] {
    var table = [Int](repeating: 0, count: bytes.count)
    var matched = 0
    for place in bytes.indices.dropFirst() {
      while matched > 0, bytes[place] != bytes[matched] { matched = table[matched - 1] }
      if bytes[place] == bytes[matched] { matched += 1 }
      table[place] = matched
    }
    return table
  }

  /// The code points before the first occurrence of a text.
  func firstPlace(of part: Self) -> Int? {
    if part.isEmpty { return 0 }
    return places(of: part, limit: 1).first.map { plain.codePoints(before: $0) }
  }

  /// The parts between separators at most `limit` times.
  func split(by separator: Self, limit: Int = .max, _ budget: TemplateBudget) throws(TemplateProblem) -> [Self] {
    try parts(between: places(of: separator, limit: limit)[...], width: separator.byteCount, budget)
  }

  /// The parts between separators, the last ones at most.
  func split(by separator: Self, last limit: Int, _ budget: TemplateBudget) throws(TemplateProblem) -> [Self] {
    try parts(between: places(of: separator).suffix(limit), width: separator.byteCount, budget)
  }

  private func parts(between places: ArraySlice<Int>, width: Int, _ budget: TemplateBudget) throws(TemplateProblem)
    -> [Self]
  {
    try budget.make(parts: places.count + 1)
    var cutter = TemplateCutter(self)
    var parts: [Self] = []
    var start = 0
    for place in places {
      parts.append(cutter.cut(start..<place))
      start = place + width
    }
    return parts + [cutter.cut(start..<byteCount)]
  }

  /// The parts between white space; after `limit` separations the rest.
  func words(limit: Int = .max, _ budget: TemplateBudget) throws(TemplateProblem) -> [Self] {
    var cutter = TemplateCutter(self)
    var parts: [Self] = []
    var start: Int?
    var place = 0
    for scalar in plain.unicodeScalars {
      if !scalar.isPythonSpace {
        start = start ?? place
        if parts.count >= limit { break }
      } else if let word = start {
        try budget.make(parts: 1, beside: parts.count)
        parts.append(cutter.cut(word..<place))
        start = nil
      }
      place += UTF8.width(scalar)
    }
    return start.map { parts + [cutter.cut($0..<byteCount)] } ?? parts
  }

  func lines(withEnds: Bool, _ budget: TemplateBudget) throws(TemplateProblem) -> [Self] {
    var cutter = TemplateCutter(self)
    var lines: [Self] = []
    var (start, place) = (0, 0)
    var last: Unicode.Scalar?
    for scalar in plain.unicodeScalars {
      let end = place + UTF8.width(scalar)
      if last == "\r", scalar == "\n" {
        if withEnds, let line = lines.popLast() { lines.append(line + Self("\n")) }
        start = end
      } else if Self.endsLine(scalar) {
        try budget.make(parts: 1, beside: lines.count)
        lines.append(cutter.cut(start..<(withEnds ? end : place)))
        start = end
      }
      (place, last) = (end, scalar)
    }
    return start < place ? lines + [cutter.cut(start..<place)] : lines
  }

  private static func endsLine(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  func replacing(_ old: Self, with new: Self, limit: Int = .max, _ budget: TemplateBudget) throws(TemplateProblem)
    -> Self
  {
    guard old.isEmpty, limit > 0 else {
      let places = places(of: old, limit: limit)
      if places.isEmpty { return self }
      try budget.make(bytes: byteCount + places.count * new.byteCount)
      return Self.joined(try parts(between: places[...], width: old.byteCount, budget), separator: new)
    }
    // Python puts the new text around every code point.
    let count = count
    try budget.make(parts: count)
    try budget.make(bytes: byteCount + (count + 1) * new.byteCount)
    let letters = letters
    let parts = letters.prefix(limit - 1)
    return new + Self.joined(parts.map { $0 + new }) + Self.joined(Array(letters.dropFirst(parts.count)))
  }

  // MARK: Case

  private static func isCased(_ scalar: Unicode.Scalar) -> Bool {
    // The tables of Unicode are slow.
    scalar.isASCII ? ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) : scalar.properties.isCased
  }
  private var isCased: Bool { plain.unicodeScalars.contains(where: Self.isCased) }
  var isUppercase: Bool { isCased && plain == plain.uppercased() }
  var isLowercase: Bool { isCased && plain == plain.lowercased() }
}
