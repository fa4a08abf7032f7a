// Extracts the answer from a teacher's output: removes thinking and wrapping, and turns JSON into lines.

import Checkpoints

enum AnswerText {
  /// The answer's own lines, separated by line feeds only.
  /// - Returns: also a message about an unclosed part, if there is one. Unclosed thinking is not part of the answer.
  static func body(of answer: String) -> (text: String, open: String?) {
    var text = String(decoding: unifiedLineEnds(answer.utf8), as: UTF8.self)
    var open: String?
    for name in ["think", "thinking", "thought", "reasoning"] where text.utf8.contains(UInt8(ascii: "<")) {
      let (opening, closing) = ("<\(name)>", "</\(name)>")
      // Some chat templates put the opening mark into the prompt.
      if let end = text.ranges(of: closing).last { text = String(text[end.upperBound...]) }
      if let start = text.firstRange(of: opening) {
        text = String(text[..<start.lowerBound])
        open = "the thinking has no end"
      }
    }
    text = withoutFences(text)
    if let lines = linesOfJSON(text) {
      text = lines
    } else if text.trimmed.hasPrefix("{"), !text.trimmed.hasSuffix("}") {
      open = "the JSON has no end"
    }
    return (text, open)
  }

  /// Whether an answer without summaries is a refusal.
  static func isRefusal(_ text: String) -> Bool {
    let start = text.trimmed.prefix(400).lowercased().replacing("’", with: "'")
    return AnswerWords.refusals.contains { start.hasPrefix($0) }
  }

  private static func unifiedLineEnds(_ text: String.UTF8View) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var previous: UInt8 = 0
    for byte in text {
      if byte == 0x0D { bytes.append(0x0A) } else if byte != 0x0A || previous != 0x0D { bytes.append(byte) }
      previous = byte
    }
    return bytes
  }

  /// The content of a code block, if it is the whole answer except for a line or two around it.
  private static func withoutFences(_ text: String) -> String {
    let lines = text.lines
    let fences = lines.indices.filter { lines[$0].drop(while: \.isWhitespace).hasPrefix("```") }
    guard fences.count == 2 else { return text }
    let outside = (lines[..<fences[0]] + lines[(fences[1] + 1)...]).filter { !$0.allSatisfy(\.isWhitespace) }
    guard outside.count <= 2, outside.allSatisfy({ LineHeading(LineCursor($0)) == nil }) else { return text }
    return lines[(fences[0] + 1)..<fences[1]].joined(separator: "\n")
  }

  // MARK: JSON

  /// Turns a JSON object into lines. Its names become headings.
  private static func linesOfJSON(_ text: String) -> String? {
    let text = text.trimmed
    guard text.hasPrefix("{"), let value = try? JSONValue.parse(text), let members = value.members else { return nil }
    var lines: [String] = []
    for member in members { append(member.value, named: member.name, to: &lines) }
    return lines.joined(separator: "\n")
  }

  private static func append(_ value: JSONValue, named name: String, to lines: inout [String]) {
    let heading = name.replacing("_", with: " ").replacing("-", with: " ")
    switch value {
    case .string(let text):
      let isBody = ["text", "summary", "content"].contains(heading.lowercased())
      lines.append(isBody ? text : "\(heading): \(text)")
    case .integer, .number: lines.append("\(heading): \(value.serialized())")
    case .object(let members):
      lines.append("\(heading):")
      for member in members { append(member.value, named: member.name, to: &lines) }
    case .array(let elements):
      // "summaries": the heading gives neither the number nor the start of a summary.
      for (place, element) in elements.enumerated() { append(element, named: "summary \(place + 1)", to: &lines) }
    case .null, .bool, .unusable: break
    }
  }
}
