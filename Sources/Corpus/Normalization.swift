// NFC as in the `tokenizers` library. Most text is already NFC: runs of stable code points are copied.

import Patterns

/// The NFC normalizer. A code point is stable if NFC does not change it or join it to the code points before it. Each
/// run of unstable code points is therefore normalized alone, with the stable code point before it.
struct Normalization {
  private let properties = UnicodeProperties.shared
  /// The current run: its code points, decomposed.
  private var run: [UInt32] = []
  private var reordered: [UInt64] = []

  /// Whether NFC leaves `text` (UTF-8) unchanged. The test may answer false for text that is in fact unchanged.
  func isStable(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // Code points below U+0300 are stable: their bytes are all below 0xCC.
    guard text.contains(where: { $0 >= 0xCC }) else { return true }
    return properties.flags.withUnsafeBufferPointer { flags in
      var position = 0
      while position < text.count {
        let (code, length) = text.codePoint(at: position)
        if flags[Int(code)] & UnicodeProperties.unstable != 0 { return false }
        position += length
      }
      return true
    }
  }

  /// Appends the NFC form of `text` (valid UTF-8) to `result`.
  mutating func normalize(_ text: UnsafeBufferPointer<UInt8>, into result: inout [UInt8]) {
    var position = 0
    var copied = 0
    var lastStable = 0
    while position < text.count {
      let (code, length) = text.codePoint(at: position)
      guard isUnstable(code) else {
        lastStable = position
        position += length
        continue
      }
      result.append(contentsOf: text[copied..<lastStable])
      run.removeAll(keepingCapacity: true)
      var end = lastStable
      while end < text.count {
        let (code, length) = text.codePoint(at: end)
        guard end <= position || isUnstable(code) else { break }
        decompose(code)
        end += length
      }
      reorder()
      compose(into: &result)
      position = end
      copied = end
      lastStable = end
    }
    result.append(contentsOf: text[copied...])
  }

  private func isUnstable(_ code: UInt32) -> Bool { properties.flags[Int(code)] & UnicodeProperties.unstable != 0 }

  private mutating func decompose(_ code: UInt32) {
    if let parts = properties.decompositions[code] {
      run.append(contentsOf: parts)
    } else if Hangul.syllables.contains(code) {
      Hangul.decompose(code, into: &run)
    } else {
      run.append(code)
    }
  }

  /// Sorts marks between two starters by combining class; marks of one class keep their order.
  private mutating func reorder() {
    var start = 0
    while start < run.count {
      reordered.removeAll(keepingCapacity: true)
      while start + reordered.count < run.count,
        let combiningClass = properties.combiningClasses[run[start + reordered.count]]
      {
        // Class, place and code point in one number, so that the sort is stable at any length.
        let place = UInt64(reordered.count)
        reordered.append(UInt64(combiningClass) << 53 | place << 21 | UInt64(run[start + reordered.count]))
      }
      if reordered.count > 1 {
        reordered.sort()
        for (offset, entry) in reordered.enumerated() {
          run[start + offset] = UInt32(truncatingIfNeeded: entry & 0x1F_FFFF)
        }
      }
      start += reordered.count + 1
    }
  }

  /// Composes each starter with the marks after it, unless a mark of the same or a higher class in between blocks it.
  private mutating func compose(into result: inout [UInt8]) {
    var kept = 0
    var starter: Int?
    var lastClass: UInt8?
    for index in run.indices {
      let code = run[index]
      let combiningClass = properties.combiningClasses[code] ?? 0
      let isBlocked = lastClass.map { $0 >= combiningClass } ?? false
      if let place = starter, !isBlocked, let composite = composite(run[place], code) {
        run[place] = composite
        continue
      }
      if combiningClass == 0 {
        starter = kept
        lastClass = nil
      } else {
        lastClass = combiningClass
      }
      run[kept] = code
      kept += 1
    }
    for code in run[..<kept] {
      // Always a scalar: it comes from decomposing a scalar, or from the tables.
      if let scalar = Unicode.Scalar(code) { result.append(contentsOf: UTF8.encode(scalar) ?? .init()) }
    }
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    Hangul.compose(first, second)
      ?? properties.compositions[UInt64(first) << 32 | UInt64(second)]
  }
}
