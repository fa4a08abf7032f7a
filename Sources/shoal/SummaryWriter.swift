// Writes summaries to standard output: streamed, side by side, or as JSON.

import Checkpoints
import Corpus
import Foundation
import Model

/// Writes the summaries of one document.
final class SummaryWriter {
  private let document: SummaryRequest.Document
  private let isCompared, isJSON, isOneOfMany: Bool
  private let tokenizer: Tokenizer
  private var text: TextStream
  private var part = 0
  private var hasBegun = false

  init(_ document: SummaryRequest.Document, isCompared: Bool, isJSON: Bool, isOneOfMany: Bool, tokenizer: Tokenizer) {
    self.document = document
    (self.isCompared, self.isJSON, self.isOneOfMany) = (isCompared, isJSON, isOneOfMany)
    self.tokenizer = tokenizer
    text = TextStream(tokenizer)
  }

  /// Receives a token of a part's summary. Prints it at once if only one summary is shown.
  func stream(_ id: Int32, part: Int) throws {
    guard !isCompared, !isJSON else { return }
    var output = LineOutput()
    begin(&output)
    if part != self.part {
      output.append(text.finish() + "\n\n")
      self.part = part
    }
    output.append(text.append(id))
    try output.flush()
  }

  private func begin(_ output: inout LineOutput) {
    guard !hasBegun else { return }
    hasBegun = true
    if isOneOfMany { output.append("— \(document.path)\n") }
  }

  /// Writes the rest.
  /// - Parameter answers: of the base and the tuned model, or of the requested one; each by parts.
  func write(_ answers: [[Generation]]) throws {
    var output = LineOutput()
    let texts = answers.map { parts in
      parts.map { TextStream.text(of: $0.ids, tokenizer) }.joined(separator: "\n\n")
    }
    if isJSON {
      output.append(object(answers, texts))
    } else if isCompared {
      begin(&output)
      output.append(Columns(titles: ["base", "tuned"], texts: texts, width: Columns.terminalWidth).text)
    } else {
      output.append(text.finish() + "\n")
    }
    try output.flush()
  }

  private func object(_ answers: [[Generation]], _ texts: [String]) -> JSONValue {
    func summary(_ place: Int) -> [JSONValue.Member] {
      let tokens = answers[place].reduce(0) { $0 + $1.ids.count }
      let reasons = Set(answers[place].map(\.finishReason))
      return [
        .init("summary", .string(texts[place])), .init("tokens", .integer(Int64(tokens))),
        .init("finish_reason", .string((reasons.contains(.length) ? .length : Generation.FinishReason.stop).rawValue)),
        .init("tokens_per_second", .number(answers[place].map(\.tokensPerSecond).max() ?? 0)),
      ]
    }
    let head: [JSONValue.Member] = [
      .init("document", .string(document.path)), .init("document_tokens", .integer(Int64(document.tokens))),
      .init("parts", .integer(Int64(document.parts.count))),
    ]
    return .object(
      head + (isCompared ? [.init("base", .object(summary(0))), .init("tuned", .object(summary(1)))] : summary(0)))
  }
}

/// Shows texts side by side.
struct Columns {
  let titles: [String]
  let texts: [String]
  /// Of all columns together, in characters.
  let width: Int

  /// The terminal's width; 100 without a terminal.
  static var terminalWidth: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 100 }
    return Int(size.ws_col)
  }

  private static let gap = "  │  "

  var text: String {
    let column = max(16, (width - (titles.count - 1) * Self.gap.count) / titles.count)
    let columns = zip(titles, texts).map { title, text in
      [title, String(repeating: "─", count: column)] + Self.wrapped(text, column)
    }
    let rows = columns.map(\.count).max() ?? 0
    return (0..<rows).map { row in
      let cells = columns.map { lines in
        let line = row < lines.count ? lines[row] : ""
        return line + String(repeating: " ", count: max(0, column - line.count))
      }
      return cells.joined(separator: Self.gap).replacing(/[ ]+$/, with: "") + "\n"
    }.joined()
  }

  /// Lines of at most `width` characters, broken at spaces if possible.
  static func wrapped(_ text: String, _ width: Int) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { paragraph -> [String] in
      var lines = [""]
      for word in paragraph.split(separator: " ") {
        var word = String(word)
        if !lines[lines.count - 1].isEmpty {
          if lines[lines.count - 1].count + 1 + word.count <= width {
            lines[lines.count - 1] += " " + word
            continue
          }
          lines.append("")
        }
        while word.count > width {
          lines[lines.count - 1] = String(word.prefix(width))
          lines.append("")
          word = String(word.dropFirst(width))
        }
        lines[lines.count - 1] = word
      }
      return lines
    }
  }
}
