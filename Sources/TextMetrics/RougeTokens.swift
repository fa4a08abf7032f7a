// Texts as rouge_score cuts them: runs of the letters a to z and digits, in lower case, stemmed if longer than three.

/// The words of several texts as numbers: equal words have equal numbers.
package struct RougeVocabulary {
  private var ids: [String: Int32] = [:]
  /// The number of each stem.
  private var stemIDs: [[UInt8]: Int32] = [:]
  private let stemmer: PorterStemmer?

  /// - Parameter usesStemmer: whether words longer than three letters are numbered by their stems.
  package init(usesStemmer: Bool) { stemmer = usesStemmer ? PorterStemmer() : nil }

  /// The words of `text`.
  package mutating func tokens(_ text: some StringProtocol) -> [Int32] {
    var tokens: [Int32] = []
    var word: [UInt8] = []
    func flush(_ vocabulary: inout Self) {
      if !word.isEmpty { tokens.append(vocabulary.id(of: word)) }
      word.removeAll(keepingCapacity: true)
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "a"..."z", "0"..."9": word.append(UInt8(truncatingIfNeeded: scalar.value))
      case "A"..."Z": word.append(UInt8(truncatingIfNeeded: scalar.value | 0x20))
      // The two letters beyond ASCII whose lower case, in Python, has a letter of ASCII: the kelvin sign, and the
      // capital I with a dot, which becomes an i and a combining dot.
      case "\u{212A}": word.append(UInt8(ascii: "k"))
      case "\u{0130}":
        word.append(UInt8(ascii: "i"))
        flush(&self)
      default: flush(&self)
      }
    }
    flush(&self)
    return tokens
  }

  private mutating func id(of word: [UInt8]) -> Int32 {
    let name = String(decoding: word, as: UTF8.self)
    if let id = ids[name] { return id }
    let stem = if let stemmer, word.count > 3 { stemmer.stem(word) } else { word }
    let id = stemIDs[stem] ?? Int32(stemIDs.count)
    stemIDs[stem] = id
    ids[name] = id
    return id
  }
}
