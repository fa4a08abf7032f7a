// The command line. Only this target prints, and only it exits while the process can still continue.

import ArgumentParser
import Collectives
import Foundation
import Runtime
import Tensors
import Training

@main
struct Shoal: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shoal", abstract: "Preference-tunes language models on ordinary CPU machines.",
    version: BuildIdentity.version,
    subcommands: [
      TrainCommand.self, ConfigCommand.self, ScoreCommand.self, EvaluateCommand.self,
      GenerateCommand.self, SummarizeCommand.self,
      TokenizeCommand.self, ExportCommand.self, PrepareCommand.self, FetchCommand.self, BenchCommand.self,
    ])

  static func main() {
    // When the reader goes away, writing fails but the process does not die.
    signal(SIGPIPE, SIG_IGN)
    // A file size limit becomes a write error, like a full disk.
    signal(SIGXFSZ, SIG_IGN)
    MappedFile.watchForTruncation(prefix: "shoal: ", exitCode: ShoalExit.failure)
    do {
      var command = try parseAsRoot()
      _ = try VectorLevel.chosen()
      try command.run()
    } catch let mistake as VectorLevelError {
      refuse(mistake)
    } catch let error where exitCode(for: error) == .validationFailure {
      refuse(UsageMistake(message: fullMessage(for: error)))
    } catch {
      exit(withError: error)
    }
  }

  /// Ends the program for a mistake that all ranks of a job found; one of them prints it.
  private static func refuse(_ mistake: any UserError) {
    runInWorld { world in
      try world.agreeOnFailure(local: mistake)
      return ShoalExit.mistake
    }
  }

  /// Prints the error and exits with the documented code.
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
    ShoalExit.end(error)
  }
}

/// A mistake that the argument parser found, with the usage.
struct UsageMistake: UserError {
  let message: String

  var description: String { String(message.trimmingPrefix("Error: ")) }
}
