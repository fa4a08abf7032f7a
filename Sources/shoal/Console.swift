// Messages for the user, and the exit codes.

import Foundation
import Synchronization
import Tensors

/// Prints messages for the user to stderr.
enum Console {
  /// Whether the last line of the terminal has no end yet.
  private static let hasOpenLine = Mutex(false)
  private static let clearing = "\r\u{1B}[K"

  /// Prints a line, in place of one that has no end yet.
  static func print(_ text: String) {
    hasOpenLine.withLock { isOpen in
      write("\(isOpen ? clearing : "")\(shown(text))\n")
      isOpen = false
    }
  }

  /// Prints a line of a terminal that the next one replaces.
  static func redraw(_ text: String) {
    hasOpenLine.withLock { isOpen in
      write(clearing + shown(text))
      isOpen = true
    }
  }

  private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

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
