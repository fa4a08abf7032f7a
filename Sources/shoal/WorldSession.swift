// Runs a command on all ranks: one of them reports, all of them end.

import Collectives
import Foundation
import Tensors

/// Runs `body` in the world that the launcher made and ends the process with its exit code.
///
/// An error that all ranks agreed on ends them in good order and is printed once. Any other error is printed by its
/// rank and ends the job.
func runInWorld(_ body: (any Communicator) throws -> Int32) -> Never {
  let world: any Communicator
  do {
    world = try Launch.joinWorld { delay in
      Console.print("shoal: \(delay); the job ends here: run the same command again")
      // MPI's exit handlers would wait for the missing rank too.
      _exit(ShoalExit.failure)
    }
  } catch { ShoalExit.end(error) }
  if world.size > 1 { MappedFile.watchForTruncation(prefix: "[rank \(world.rank)] ", exitCode: ShoalExit.failure) }
  do {
    try world.watch { [rank = world.rank] lost in
      Console.print("[rank \(rank)] \(lost); the job ends here: run the same command again to go on")
    }
    let code = try body(world)
    try world.finish()
    exit(code)
  } catch {
    let (reporter, isAgreed) =
      switch error {
      case let failure as AgreedFailure: (failure.rank, true)
      case is WorldError, is DebugInWorld: (0, true)
      default: (world.rank, false)
      }
    if world.rank == reporter { Console.print(world.size > 1 ? "[rank \(world.rank)] \(error)" : "shoal: \(error)") }
    let isMistake = (error as? AgreedFailure)?.isUserError ?? (error is any UserError)
    let code = isMistake ? ShoalExit.mistake : ShoalExit.failure
    if isAgreed { try? world.finish() } else { world.abort(code: code) }
    exit(code)
  }
}

/// The debug mode was requested with several ranks.
struct DebugInWorld: UserError {
  let size: Int

  var description: String { "--debug runs in one process, this world has \(size) ranks: start it without mpirun" }
}
