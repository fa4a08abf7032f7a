import Patterns
import Testing

/// Texts as Python strips and shows them.
@Suite struct PythonCharacterTests {
  @Test func `white space at the ends`() {
    #expect("\u{1C}\u{85} a b\u{3000}\r\n".stripped == "a b" && " a \u{2003}".strippedEnd == " a")
    #expect("\u{200B}a".stripped == "\u{200B}a" && "\t\n\u{2028}".stripped.isEmpty && "".strippedEnd.isEmpty)
  }

  @Test func `characters between quotes`() {
    func shown(_ text: String) -> String {
      text.unicodeScalars.map { $0.pythonRepresentation(in: text.pythonQuote) }.joined()
    }
    #expect(shown("a\\\n\u{7F}\u{A0}é\u{2028}\u{E000}\u{1F600}\u{10FFFF}") == #"a\\\n\x7f\xa0é\u2028\ue000😀\U0010ffff"#)
    #expect("it's".pythonQuote == "\"" && "'\"".pythonQuote == "'" && shown("'\"") == #"\'""#)
  }
}
