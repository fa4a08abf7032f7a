// Qwen2's split rule by hand: a twin of what the automaton does with its pattern.

/// Splits a text at each position by the first alternative of the pattern that matches there.
struct Qwen2Splitter {
  static let pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
    + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  let text: [Unicode.Scalar]
  let isLetter: (Unicode.Scalar) -> Bool
  let isNumber: (Unicode.Scalar) -> Bool
  let isSpace: (Unicode.Scalar) -> Bool

  var pieces: [String] {
    var pieces: [String] = []
    var start = 0
    while start < text.count {
      let end = end(ofPieceAt: start)
      pieces.append(String(String.UnicodeScalarView(text[start..<end])))
      start = end
    }
    return pieces
  }

  private func end(ofPieceAt start: Int) -> Int {
    let (first, next) = (text[start], start + 1)
    if isLetter(first) { return run(from: next, isLetter) }
    if isNumber(first) { return next }
    if first == "'", let end = end(ofContractionAt: next) { return end }
    let following = next < text.count ? text[next] : " "
    if isLetter(following), !isLineBreak(first) { return run(from: next, isLetter) }
    if !isSpace(first) { return run(from: run(from: next, isSymbol), isLineBreak) }
    if first == " ", isSymbol(following) { return run(from: run(from: next, isSymbol), isLineBreak) }
    let end = run(from: start, isSpace)
    if let last = (start..<end).last(where: { isLineBreak(text[$0]) }) { return last + 1 }
    return end == text.count || end == next ? end : end - 1
  }

  private func run(from start: Int, _ belongs: (Unicode.Scalar) -> Bool) -> Int {
    text[start...].firstIndex { !belongs($0) } ?? text.count
  }

  private func isLineBreak(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }

  private func isSymbol(_ scalar: Unicode.Scalar) -> Bool { !isLetter(scalar) && !isNumber(scalar) && !isSpace(scalar) }

  private func end(ofContractionAt start: Int) -> Int? {
    let letters = String(String.UnicodeScalarView(text[start..<min(start + 2, text.count)])).lowercased()
    if ["re", "ve", "ll"].contains(letters) { return start + 2 }
    guard let first = text[start...].first else { return nil }
    return "stmdSTMD\u{17F}".unicodeScalars.contains(first) ? start + 1 : nil
  }
}
