// Sets of characters.

/// A set of code points, as ascending ranges that do not touch.
package struct CodePointSet: Sendable, Hashable {
  package private(set) var ranges: [ClosedRange<UInt32>] = []

  package init() {}

  package init(_ ranges: some Sequence<ClosedRange<UInt32>>) {
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = self.ranges.last, range.lowerBound <= last.upperBound + 1 {
        self.ranges[self.ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        self.ranges.append(range)
      }
    }
  }

  package init(_ code: UInt32) { ranges = [code...code] }

  package func contains(_ code: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < code { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(code)
  }

  package func union(_ others: CodePointSet...) -> CodePointSet {
    CodePointSet(others.reduce(ranges) { $0 + $1.ranges })
  }

  package func subtracting(_ other: CodePointSet) -> CodePointSet { inverted.union(other).inverted }

  package var inverted: CodePointSet {
    var gaps: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if next < range.lowerBound { gaps.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { gaps.append(next...0x10FFFF) }
    return CodePointSet(gaps)
  }
}

extension CodePointSet {
  static let digits = CodePointSet([0x30...0x39])
  static let word = CodePointSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  /// Python counts the separators 0x1C to 0x1F as white space.
  static let pythonSpace = CodePointSet([0x09...0x0D, 0x1C...0x20])
  static let notLineFeed = CodePointSet(0x0A).inverted
  static let all = CodePointSet().inverted

  /// Python's `\\s` in texts of any characters.
  static let unicodeSpace = CodePointSet([
    0x09...0x0D, 0x1C...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
    0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
  ])
  /// Python's `\\d`.
  static let unicodeDigits = CodePointSet(matching: { $0.numericType == .decimal })
  /// Python's `\\w`: letters, what is a number, and the low line.
  static let unicodeWord = CodePointSet(matching: { properties in
    if properties.numericType != nil { return true }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return false
    }
  }).union(CodePointSet(0x5F))

  /// All characters with a property. The planes above the third have no letters and no digits.
  private init(matching holds: (Unicode.Scalar.Properties) -> Bool) {
    var found: [ClosedRange<UInt32>] = []
    for code in 0..<UInt32(0x40000) {
      if let scalar = Unicode.Scalar(code), holds(scalar.properties) { found.append(code...code) }
    }
    self.init(found)
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// The code point at `position` of valid UTF-8, and its length in bytes.
  @inlinable @inline(__always)
  package func codePoint(at position: Int) -> (code: UInt32, length: Int) {
    let first = UInt32(self[position])
    if first < 0x80 { return (first, 1) }
    let second = UInt32(self[position + 1] & 0x3F)
    if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
    let third = UInt32(self[position + 2] & 0x3F)
    if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
    let fourth = UInt32(self[position + 3] & 0x3F)
    return ((first & 0x07) << 18 | second << 12 | third << 6 | fourth, 4)
  }
}
