// A command that asks a model many things: what was found is kept until all is, and a stop is not an end.

import Checkpoints
import Collectives
import Foundation
import Runtime
import Tensors

/// One rank's part in such a command.
struct InferenceJob {
  private let model: LoadedModel
  private let world: any Communicator
  private let stop = StopRequest()
  private let target: OutputTarget?
  private let journal: ResultJournal?
  private let what: String

  /// Collective.
  /// - Parameters:
  ///   - output: where rank 0 writes; others pass nil.
  ///   - what: names what is counted, for the user.
  init(_ model: LoadedModel, world: any Communicator, output: OutputTarget?, what: String) throws {
    (self.model, self.world, target, self.what) = (model, world, output, what)
    journal =
      try world.onCoordinator { () throws -> ResultJournal? in
        guard let output, !OutputTarget.isStream(output.path) else { return nil }
        return try ResultJournal(
          path: "\(output.path).partial",
          identity: "\(model.hash) \(try BuildIdentity.running().binary) \(Machine.vectorLevel)")
      } ?? nil
    stop.watchSignals { Foundation.exit(ShoalExit.failure) }
  }

  /// Runs the session and writes the text that rank 0 makes of it.
  /// - Returns: the exit code.
  func run(_ body: (InferenceSession) throws -> String) throws -> Int32 {
    let progress = InferenceProgressPrinter(what)
    let session = try InferenceSession(
      model, world: world, stop: stop, journal: journal, progress: progress.print)
    guard world.rank == 0 else { return try session.serve() }
    var code: Int32 = 0
    do {
      try target?.write(body(session))
      journal?.remove()
    } catch is InferenceStopped {
      Console.print(
        journal == nil
          ? "shoal: stopped" : "shoal: stopped; run the same command again to go on from what is done")
      code = ShoalExit.stopped
    }
    try session.end(code: code)
    return code
  }
}

/// Prints a line every few seconds.
private final class InferenceProgressPrinter {
  private let what: String
  private var last = ContinuousClock.now
  private var hasPrinted = false

  init(_ what: String) { self.what = what }

  func print(_ progress: InferenceProgress) {
    let (done, total, name) =
      switch progress {
      case .scored(let done, let total): (done, total, "likelihoods")
      case .answered(let done, let total): (done, total, "answers")
      }
    let isEnd = done == total && hasPrinted
    guard isEnd || ContinuousClock.now - last > .seconds(5) else { return }
    (last, hasPrinted) = (.now, !isEnd)
    Console.print("\(what == name ? "" : what + ": ")\(name): \(done) of \(total)")
  }
}
