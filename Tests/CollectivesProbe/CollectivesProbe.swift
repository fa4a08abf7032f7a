// One rank of a small job; CollectivesTests starts it under mpirun and reads its exit code and output.
//
//     mpirun -n 3 collectives-probe SCENARIO
//
// Exit codes: 0 if the scenario passed on every rank, 64 and 75 as in `shoal`, 1 if something is wrong.

import Collectives
import Glibc
import Tensors

/// A failed check of a scenario.
struct Finding: Error, CustomStringConvertible {
  let description: String
}

func expect(_ holds: Bool, _ what: @autoclosure () -> String) throws {
  guard holds else { throw Finding(description: what()) }
}

/// An error that ends in exit code 64.
struct PretendedMistake: UserError {
  let description: String
}

@main
struct CollectivesProbe {
  static let scenarios: [String: @Sendable (any Communicator) throws -> Void] = [
    "exchange": exchange, "dispatching": dispatching, "phases": phases, "results": results, "idle": idle,
    "early": closeEarly,
    "alike": alike, "unlike": unlike, "mistake": mistake, "stop": { _ in throw Stop() },
    "abort": abortFromLastRank, "stuck": stuckLastRank, "patient": patientWatch, "leaving": stoppedOnItsWayOut,
  ]

  struct Stop: Error {}

  static func main() {
    var world: (any Communicator)?
    do {
      guard let name = CommandLine.arguments.dropFirst().first, let scenario = scenarios[name] else {
        throw Finding(description: "scenarios: \(scenarios.keys.sorted().joined(separator: ", "))")
      }
      let joined = try Launch.joinWorld()
      world = joined
      try scenario(joined)
      try joined.finish()
    } catch let failure as AgreedFailure {
      end(world, failure.rank == world?.rank ? failure.message : nil, failure.isUserError ? 64 : 1)
    } catch is Stop {
      end(world, nil, 75)
    } catch let mistake as any UserError {
      say("\(mistake)")
      exit(64)
    } catch {
      say("\(error)")
      world?.abort(code: 1)
      exit(1)
    }
  }

  /// Leaves the world cleanly: every rank calls it.
  static func end(_ world: (any Communicator)?, _ message: String?, _ code: Int32) -> Never {
    if let message { say(message) }
    do { try world?.finish() } catch { say("\(error)") }
    exit(code)
  }

  static func say(_ line: String) {
    let text = line + "\n"
    _ = write(STDERR_FILENO, text, text.utf8.count)
  }

  /// Processor seconds that this process has used.
  static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
