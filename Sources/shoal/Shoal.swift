// The command line: the only place that prints or exits while the process can go on.

import ArgumentParser
import Collectives
import Foundation
import Tensors

@main
struct Shoal: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "shoal", abstract: "Preference-tunes Qwen2 on ordinary CPU machines.",
    version: version,
    subcommands: [
      TrainCommand.self, ConfigCommand.self, ScoreCommand.self, GenerateCommand.self, SummarizeCommand.self,
      TokenizeCommand.self, ExportCommand.self, PrepareCommand.self, BenchCommand.self,
    ])

  static func main() {
    // A reader that went away ends the writing, not the process.
    signal(SIGPIPE, SIG_IGN)
    // A limit on file sizes is an error of the write, as a full disk is.
    signal(SIGXFSZ, SIG_IGN)
    MappedFile.watchForTruncation(prefix: "shoal: ", exitCode: ShoalExit.failure)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error where exitCode(for: error) == .validationFailure {
      // Every rank of a job found the same: one of them says so.
      let mistake = UsageMistake(message: fullMessage(for: error))
      runInWorld { world in
        try world.agreeOnFailure(local: mistake)
        return ShoalExit.mistake
      }
    } catch {
      exit(withError: error)
    }
  }

  /// Prints what happened and ends with the documented code.
  static func exit(withError error: any Error) -> Never {
    switch error {
    case let code as ExitCode: Foundation.exit(code.rawValue)
    case is any UserError: break
    default:
      // Help and version.
      if exitCode(for: error) == .success {
        print(fullMessage(for: error))
        Foundation.exit(0)
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

  static func code(for error: any Error) -> Int32 { error is any UserError ? mistake : failure }
}

/// What the argument parser found, with the usage.
struct UsageMistake: UserError {
  let message: String

  var description: String { String(message.trimmingPrefix("Error: ")) }
}

/// What people read goes to stderr.
enum Console {
  static func print(_ text: String) { FileHandle.standardError.write(Data((shown(text) + "\n").utf8)) }

  /// Names from files may hold what a terminal takes for commands: control characters are spelled out.
  private static func shown(_ text: String) -> String {
    let isShown = { (scalar: Unicode.Scalar) in
      scalar.properties.generalCategory != .control || scalar == "\n" || scalar == "\t"
    }
    guard !text.unicodeScalars.allSatisfy(isShown) else { return text }
    return text.unicodeScalars.map { isShown($0) ? String($0) : $0.escaped(asASCII: true) }.joined()
  }
}
