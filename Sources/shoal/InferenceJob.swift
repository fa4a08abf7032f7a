// A command that asks a model many things: what was found is kept until all is, and a stop is not an end.

import Checkpoints
import Collectives
import Foundation
import Model
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
          identity: "\(model.hash) \(try BuildIdentity.running().binary)",
          replaces: output.replaces)
      } ?? nil
    stop.watchSignals { Foundation.exit(ShoalExit.failure) }
  }

  /// Asks on rank 0. Collective.
  /// - Returns: the exit code, and on rank 0 what `body` found if it is 0.
  func ask<Result>(_ body: (InferenceSession) throws -> Result) throws -> (code: Int32, result: Result?) {
    let progress = InferenceProgressPrinter(what)
    let session = try InferenceSession(
      model, world: world, stop: stop, journal: journal, progress: progress.print)
    guard world.rank == 0 else { return (try session.serve(), nil) }
    var (code, result): (Int32, Result?) = (0, nil)
    do {
      result = try body(session)
    } catch is InferenceStopped {
      Console.print(
        journal == nil
          ? "shoal: stopped" : "shoal: stopped; run the same command again to go on from what is done")
      code = ShoalExit.stopped
    }
    try session.end(code: code)
    return (code, result)
  }

  /// Tells what requests will take, unless it is next to nothing. On rank 0.
  /// - Parameters:
  ///   - more: seconds of other work.
  ///   - always: whether it is told whatever it is.
  func tell(_ forecast: InferenceForecast, more: Double = 0, always: Bool = false) {
    let seconds = forecast.seconds + more
    guard always || seconds > 2 else { return }
    let parts = [("likelihoods", forecast.scoring), ("answers at most", forecast.answering), ("encoding texts", more)]
      .filter { $0.1 > 0 }.map { "\($0) \(ProgressPrinter.duration($1))" }
    Console.print(
      "plan: \(ProgressPrinter.duration(seconds)) (\(parts.joined(separator: ", "))), "
        + "\(ByteCount.text(forecast.privateBytes)) per rank besides "
        + "\(ByteCount.text(model.policy.model.sharedByteCount())) of shared weights")
  }

  /// Writes what was found, and removes what was kept until then. On rank 0.
  func finish(_ text: String) throws {
    try target?.write(text)
    journal?.remove()
  }
}

/// Prints a line every few seconds.
private final class InferenceProgressPrinter {
  private let what: String
  private var last = ContinuousClock.now
  private var hasPrinted = false
  /// When the current call began, with what was known then.
  private var start: (time: ContinuousClock.Instant, done: Int, name: String)?

  init(_ what: String) { self.what = what }

  func print(_ progress: InferenceProgress) {
    let (done, total, name) =
      switch progress {
      case .scored(let done, let total): (done, total, "likelihoods")
      case .answered(let done, let total): (done, total, "answers")
      }
    if start?.name != name { start = (.now, done, name) }
    let isEnd = done == total && hasPrinted
    guard isEnd || ContinuousClock.now - last > .seconds(5) else { return }
    (last, hasPrinted) = (.now, !isEnd)
    Console.print("\(what == name ? "" : what + ": ")\(name): \(done) of \(total)\(rest(done, total))")
  }

  private func rest(_ done: Int, _ total: Int) -> String {
    guard let start, done > start.done, done < total else { return "" }
    let seconds = (ContinuousClock.now - start.time).seconds * Double(total - done) / Double(done - start.done)
    return ", ETA \(ProgressPrinter.duration(seconds))"
  }
}
