// A Swift file as what it declares and which names it uses.

import Foundation
import TestSupport

struct SourceFile {
  /// From the repository's root.
  let path: String
  /// `Type.swift` and `Type+Aspect.swift` are one room.
  let room: String
  let folder: String
  /// Declared at the top level, for other files.
  let declared: Set<String>
  /// Names in its code that do not follow a dot: comments and texts are left out, what texts interpolate is not.
  let named: Set<String>

  init(_ path: String) throws {
    self.path = path
    let name = (path as NSString).lastPathComponent
    room = String(name.dropLast(".swift".count).prefix { $0 != "+" })
    folder = (path as NSString).deletingLastPathComponent
    let code = Self.code(Array(try Repository.text(path).utf8))
    named = Self.names(code)
    declared = Set(code.split(separator: UInt8(ascii: "\n")).compactMap(Self.declaration))
  }

  /// The bytes without comments and texts.
  private static func code(_ text: [UInt8]) -> [UInt8] {
    var code: [UInt8] = []
    var place = 0
    /// For each text that is interpolated here: its quotes, and the parentheses that are open in the interpolation.
    var texts: [(quotes: Int, parentheses: Int)] = []
    var isInText = false
    func starts(_ prefix: String) -> Bool { text[place...].starts(with: prefix.utf8) }
    while place < text.count {
      if isInText {
        if starts("\\(") {
          isInText = false
          texts[texts.count - 1].parentheses = 1
          place += 2
        } else if starts("\\") {
          place += 2
        } else if starts(String(repeating: "\"", count: texts[texts.count - 1].quotes)) {
          place += texts.removeLast().quotes
          isInText = false
        } else {
          place += 1
        }
        continue
      }
      if starts("//") {
        while place < text.count, text[place] != UInt8(ascii: "\n") { place += 1 }
      } else if starts("\"") {
        texts.append((starts("\"\"\"") ? 3 : 1, 0))
        place += starts("\"\"\"") ? 3 : 1
        isInText = true
        code.append(UInt8(ascii: " "))
      } else {
        let byte = text[place]
        if let text = texts.last {
          let change = byte == UInt8(ascii: "(") ? 1 : byte == UInt8(ascii: ")") ? -1 : 0
          texts[texts.count - 1].parentheses += change
          isInText = text.parentheses + change == 0
        }
        code.append(byte)
        place += 1
      }
    }
    return code
  }

  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: byte >= 0x80
    }
  }

  private static func names(_ code: [UInt8]) -> Set<String> {
    var names: Set<String> = []
    var place = 0
    while place < code.count {
      guard isName(code[place]) else {
        place += 1
        continue
      }
      let start = place
      while place < code.count, isName(code[place]) { place += 1 }
      if start == 0 || code[start - 1] != UInt8(ascii: ".") {
        names.insert(String(decoding: code[start..<place], as: UTF8.self))
      }
    }
    return names
  }

  /// The name that a line declares, if it is at the top level and for other files.
  private static func declaration(_ line: ArraySlice<UInt8>) -> String? {
    guard let first = line.first, isName(first) || first == UInt8(ascii: "@") else { return nil }
    let words = String(decoding: line, as: UTF8.self).split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    let kinds = ["struct", "class", "enum", "protocol", "actor", "typealias", "func", "let", "var"]
    guard let kind = words.firstIndex(where: { kinds.contains(String($0)) }), kind + 1 < words.count,
      !words[..<kind].contains("private"), !words[..<kind].contains("fileprivate"),
      !words[..<kind].contains("extension")
    else { return nil }
    return String(words[kind + 1])
  }
}
