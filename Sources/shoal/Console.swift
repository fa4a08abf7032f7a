// Messages for the user, and the exit codes.

import Foundation
import Tensors

/// Prints messages for the user to stderr.
enum Console {
  static func print(_ text: String) { FileHandle.standardError.write(Data((shown(text) + "\n").utf8)) }

  /// Replaces the last line of a terminal, which has no end yet.
  static func redraw(_ text: String) { FileHandle.standardError.write(Data("\r\u{1B}[K\(shown(text))".utf8)) }

  /// Escapes control characters: names from files may contain terminal commands.
  private static func shown(_ text: String) -> String {
    let isShown = { (scalar: Unicode.Scalar) in
      scalar.properties.generalCategory != .control || scalar == "\n" || scalar == "\t"
    }
    guard !text.unicodeScalars.allSatisfy(isShown) else { return text }
    return text.unicodeScalars.map { isShown($0) ? String($0) : $0.escaped(asASCII: true) }.joined()
  }
}

/// The documented exit codes.
enum ShoalExit {
  static let mistake: Int32 = 64
  static let stopped: Int32 = 75
  static let failure: Int32 = 1

  static func code(for error: any Error) -> Int32 { error is any UserError ? mistake : failure }

  /// Prints the error and exits with its code.
  static func end(_ error: any Error) -> Never {
    Console.print("shoal: \(error)")
    exit(code(for: error))
  }
}
