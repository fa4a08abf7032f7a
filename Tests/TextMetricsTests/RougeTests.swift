import Checkpoints
import TestSupport
import Testing
import TextMetrics

/// Compares with rouge_score and NLTK (Tests/Fixtures/rouge.py).
@Suite struct RougeTests {
  private static func fixture() throws -> JSONValue { try JSONValue.read(file: Repository.fixture("rouge.json")) }

  @Test func `scores of rouge_score`() throws {
    let items = try #require(try Self.fixture()["items"]?.array)
    #expect(items.count > 80)
    for item in items {
      let references = try #require(item["references"]?.texts)
      let prediction = try #require(item["prediction"]?.string)
      let expected = try #require(item["scores"]?.numbers)
      let scorer = RougeScorer(usesStemmer: item["stem"] == true)
      let scores = scorer.scores(references: references, prediction: prediction)
      let numbers = scores.flatMap { [$0.precision, $0.recall, $0.fMeasure] }
      #expect(numbers.count == expected.count)
      for (number, expected) in zip(numbers, expected) {
        #expect(abs(number - expected) < 1e-9, "\(item.serialized()): \(numbers)")
      }
    }
  }

  @Test func `stems of NLTK`() throws {
    let stems = try #require(try Self.fixture()["stems"]?.array)
    #expect(stems.count > 1500)
    for pair in stems {
      let words = try #require(pair.texts)
      let stem = String(decoding: PorterStemmer().stem(Array(words[0].utf8)), as: UTF8.self)
      #expect(stem == words[1], "\(words[0])")
    }
  }

  /// Its suffix becomes "ate", which goes too.
  @Test func `a long word has a stem`() {
    let word = [UInt8](repeating: UInt8(ascii: "y"), count: 300_001) + Array("ational".utf8)
    #expect(PorterStemmer().stem(word).count == 300_001)
  }

  @Test(arguments: [
    ("", []), ("\n.,!", []), ("Don't", ["don", "t"]), ("A1b-2", ["a1b", "2"]), ("na\u{EF}ve", ["na", "ve"]),
    ("\u{212A}elvin", ["kelvin"]), ("\u{0130}stanbul", ["i", "stanbul"]), ("e\u{301}a", ["e", "a"]),
  ])
  func `words are runs of letters and digits of ASCII`(text: String, words: [String]) {
    var vocabulary = RougeVocabulary(usesStemmer: false)
    let tokens = vocabulary.tokens(text)
    #expect(tokens == words.flatMap { vocabulary.tokens($0) } && tokens.count == words.count)
  }

  @Test func `scores of selected metrics in their order`() {
    let scorer = RougeScorer([.rougeL, .rouge1], usesStemmer: false)
    let scores = scorer.scores(reference: "a b c d", prediction: "d a b")
    #expect(scores.map(\.recall) == [0.5, 0.75] && scores.map(\.precision) == [2.0 / 3, 1])
  }
}

/// Compares bit columns with the whole table.
@Suite struct CommonSubsequenceTests {
  /// The table's walk back, as rouge_score does it.
  private static func naive(_ a: [Int32], _ b: [Int32]) -> (length: Int, indices: [Int]) {
    var table = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
    for i in a.indices {
      for j in b.indices {
        table[i + 1][j + 1] = a[i] == b[j] ? table[i][j] + 1 : max(table[i][j + 1], table[i + 1][j])
      }
    }
    var (i, j, indices) = (a.count, b.count, [Int]())
    while i > 0, j > 0 {
      if a[i - 1] == b[j - 1] {
        (i, j) = (i - 1, j - 1)
        indices.append(i)
      } else if table[i][j - 1] > table[i - 1][j] {
        j -= 1
      } else {
        i -= 1
      }
    }
    return (table[a.count][b.count], indices)
  }

  /// Lengths around words and blocks of columns, and few or many different tokens.
  @Test(arguments: [
    (0, 5), (5, 0), (1, 1), (63, 64), (64, 65), (65, 63), (128, 200), (700, 40), (40, 5000), (300, 4300),
  ])
  func `lengths and the walk back`(first: Int, second: Int) {
    for kinds: Int32 in [1, 2, 5, 60, 4000] {
      var random = SplitMix(seed: UInt64(first * 7 + second) + UInt64(kinds))
      let a = (0..<first).map { _ in Int32(random.next() % UInt64(kinds)) }
      let b = (0..<second).map { _ in Int32(random.next() % UInt64(kinds)) }
      let (length, indices) = Self.naive(a, b)
      var common = CommonSubsequence(a)
      #expect(common.length(with: b) == length)
      for _ in 0..<2 {
        var found: [Int] = []
        common.forEachIndex(with: b) { found.append($0) }
        #expect(found == indices)
      }
    }
  }
}

/// Steele et al. 2014: small, and the same everywhere.
private struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return (z ^ z >> 31) >> 11
  }
}
