// Formats and parses sizes in powers of 1000, as the hub does.

package enum ByteCount {
  private static let units = ["KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12]

  /// "4.31 GB".
  package static func text(_ bytes: Int) -> String {
    let fitting = units.filter { Double(bytes) >= $0.value }.max { $0.value < $1.value }
    guard let (name, size) = fitting else { return "\(bytes) bytes" }
    let hundredths = Int((Double(bytes) / size * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(name)"
  }

  /// Bytes of a number with `KB`, `MB`, `GB` or `TB`; nil for other text and for less than one byte.
  package static func bytes(_ size: String) -> Int? {
    guard size.count > 2, let unit = units[size.suffix(2).uppercased()] else { return nil }
    var digits = size.dropLast(2)
    while digits.last == " " { digits.removeLast() }
    // Double also accepts signs, exponents and words like "inf".
    guard digits.allSatisfy({ ("0"..."9").contains($0) || $0 == "." }),
      let number = Double(digits), number * unit >= 1, number * unit < 1e18
    else { return nil }
    return Int(number * unit)
  }
}
