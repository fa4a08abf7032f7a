// Text with its origin: what the template wrote, and what came from data. Only the template's own text may become
// special tokens.

/// A string of a template, as runs of one origin each. Positions count Unicode code points, as in Python.
package struct TemplateText: Sendable {
  package enum Origin: Sendable, Equatable {
    case template
    /// Data; `message` is the index of the message whose content it is.
    case data(message: Int?)
  }

  struct Run: Sendable {
    var text: String
    var origin: Origin
  }

  private(set) var runs: [Run]
  /// Kept, because it is asked at every step of what grows.
  private(set) var byteCount: Int

  init(_ text: String, _ origin: Origin = .template) {
    runs = text.isEmpty ? [] : [Run(text: text, origin: origin)]
    byteCount = text.utf8.count
  }

  init(runs: [Run]) {
    self.runs = runs.filter { !$0.text.isEmpty }
    byteCount = runs.reduce(0) { $0 + $1.text.utf8.count }
  }

  var plain: String { runs.count == 1 ? runs[0].text : runs.map(\.text).joined() }

  var isEmpty: Bool { runs.isEmpty }
  var count: Int { runs.reduce(0) { $0 + $1.text.codePoints(before: .max) } }
  var holdsData: Bool { runs.contains { $0.origin != .template } }

  static func + (left: Self, right: Self) -> Self {
    var sum = left
    sum.append(right)
    return sum
  }

  mutating func append(_ other: Self) {
    if runs.isEmpty {
      self = other
      return
    }
    byteCount += other.byteCount
    for run in other.runs {
      if runs[runs.count - 1].origin == run.origin {
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

  /// Every run changed on its own.
  func map(_ change: (String) -> String) -> Self {
    Self(runs: runs.map { Run(text: change($0.text), origin: $0.origin) })
  }

  /// A text made of this one and others as a whole, of data if any of them is.
  func derived(_ text: String) -> Self { Self(text, holdsData ? .data(message: nil) : .template) }

  // MARK: Parts

  /// The code points of a range.
  func slice(_ points: Range<Int>) -> Self {
    var (lower, upper): (Int?, Int?)
    var (point, byte) = (0, 0)
    for run in runs where upper == nil {
      run.text.withBytes { bytes in
        for unit in bytes {
          if unit.startsCodePoint {
            if point == points.lowerBound { lower = byte }
            if point == points.upperBound {
              upper = byte
              return
            }
            point += 1
          }
          byte += 1
        }
      }
    }
    return slice(bytes: (lower ?? byte)..<(upper ?? byte))
  }

  /// The bytes of a range that begins and ends between code points.
  func slice(bytes range: Range<Int>) -> Self {
    var cutter = TemplateCutter(self)
    return cutter.cut(range)
  }

  /// Every code point as a text.
  var letters: [Self] {
    runs.flatMap { run in run.text.unicodeScalars.map { Self(String($0), run.origin) } }
  }

  /// The code points from the last to the first.
  var reversed: Self {
    Self(
      runs: runs.reversed().map { run in
        Run(text: String(String.UnicodeScalarView(run.text.unicodeScalars.reversed())), origin: run.origin)
      })
  }
}

extension TemplateText: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    left.byteCount == right.byteCount && left.plain.utf8.elementsEqual(right.plain.utf8)
  }

  func isEqual(to text: String) -> Bool {
    byteCount == text.utf8.count && plain.utf8.elementsEqual(text.utf8)
  }
}

/// Cuts a text at ascending places, all of them in one pass.
struct TemplateCutter {
  private let runs: [TemplateText.Run]
  private var run = 0
  /// The bytes before the run.
  private var start = 0

  init(_ text: TemplateText) { runs = text.runs }

  /// The bytes of a range that begins no earlier than the one before.
  mutating func cut(_ range: Range<Int>) -> TemplateText {
    while run < runs.count, start + runs[run].text.utf8.count <= range.lowerBound {
      start += runs[run].text.utf8.count
      run += 1
    }
    var found: [TemplateText.Run] = []
    var (place, start) = (run, start)
    while place < runs.count, start < range.upperBound {
      let bytes = runs[place].text.utf8
      let part = range.clamped(to: start..<start + bytes.count)
      if part.count == bytes.count {
        found.append(runs[place])
      } else if !part.isEmpty {
        let lower = bytes.index(bytes.startIndex, offsetBy: part.lowerBound - start)
        let upper = bytes.index(lower, offsetBy: part.count)
        found.append(TemplateText.Run(text: String(Substring(bytes[lower..<upper])), origin: runs[place].origin))
      }
      start += bytes.count
      place += 1
    }
    return TemplateText(runs: found)
  }
}

extension UInt8 {
  /// Whether a code point begins with this byte of UTF-8.
  fileprivate var startsCodePoint: Bool { self & 0xC0 != 0x80 }
}

extension String {
  func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
    // Without a copy, as long as the text is Swift's own.
    var text = self
    return try text.withUTF8(body)
  }

  /// How many code points begin in the first bytes.
  func codePoints(before bytes: Int) -> Int {
    withBytes { $0.prefix(bytes).reduce(0) { $0 + ($1.startsCodePoint ? 1 : 0) } }
  }
}
