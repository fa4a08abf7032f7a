// The command line: the only place that prints or exits.

import ArgumentParser
import Foundation
import Tensors

@main
struct Shoal: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "shoal", abstract: "Preference-tunes Qwen2 on ordinary CPU machines.",
    version: version,
    subcommands: [TrainCommand.self, ScoreCommand.self, TokenizeCommand.self, ExportCommand.self])

  static func main() {
    // A reader that went away ends the writing, not the process.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      exit(withError: error)
    }
  }

  /// Prints what happened and ends with the documented code.
  static func exit(withError error: any Error) -> Never {
    switch error {
    case let code as ExitCode: Foundation.exit(code.rawValue)
    case is any CallersMistake: break
    default:
      // Help, version and what the argument parser itself found.
      let code = exitCode(for: error)
      let text = fullMessage(for: error)
      if code == .success {
        print(text)
        Foundation.exit(0)
      }
      if code == .validationFailure {
        Console.print(text)
        Foundation.exit(ShoalExit.mistake)
      }
    }
    Console.print("shoal: \(error)")
    Foundation.exit(ShoalExit.code(for: error))
  }
}

/// The documented exit codes.
enum ShoalExit {
  static let mistake: Int32 = 64
  static let stopped: Int32 = 75
  static let failure: Int32 = 1

  static func code(for error: any Error) -> Int32 { error is any CallersMistake ? mistake : failure }
}

/// What people read goes to stderr.
enum Console {
  static func print(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
