// Prints a run's progress as lines for the user.

import Foundation
import Model
import Runtime
import Tensors
import Training

/// Prints at most one line per second for steps, and everything else at once.
final class ProgressPrinter {
  private var lastStep = ContinuousClock.now - .seconds(1)
  private var hasExplained = false

  func print(_ progress: RunProgress) {
    switch progress {
    case .notice(let text): Console.print(text)
    case .quantized(let storage, let done, let total):
      if done == total { Console.print("the base is \(storage.text): \(total) layers quantised, kept for later runs") }
    case .reference(let done, let total): Console.print("reference log-probs: \(done) of \(total)")
    case .planned(let secondsPerStep, let seconds, let bytes):
      Console.print(
        "plan: \(Self.number(secondsPerStep, 2)) s/step, \(Self.duration(seconds)) in all, "
          + "\(ByteCount.text(bytes)) per rank besides the shared weights")
    case .timed(let ranks): Console.print(Self.line(ranks))
    case .evaluated(let step, let examples, let metrics):
      let shown = ["loss", "rewards/accuracies", "rewards/margins", "logps/accuracies", "kl"]
      let isOfPairs = metrics["logps/accuracies"] != nil
      let kind = (isOfPairs ? "pair" : "example") + (examples == 1 ? "" : "s")
      Console.print("step \(step): held out \(examples) \(kind): " + Self.text(metrics, shown, separator: ", "))
      if isOfPairs, !hasExplained {
        hasExplained = true
        Console.print(
          "(± standard error; logps/accuracies: share of pairs whose chosen completion is likelier per token under "
            + "the model alone)")
      }
    case .judged(let step, let metrics):
      let names = metrics.entries.map(\.name)
      Console.print("step \(step): tasks: " + Self.text(metrics, names, separator: ", "))
    case .stepped(let report):
      let now = ContinuousClock.now
      guard now - lastStep >= .seconds(1) || report.step == report.totalSteps else { return }
      lastStep = now
      Console.print(Self.line(report))
    case .sampled(let step, let answer):
      let line = answer.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      Console.print("step \(step): sample: \(line.prefix(200))\(line.count > 200 ? "…" : "")")
    case .saved(let path): Console.print("saved \(path)")
    case .best(let best): Console.print(Self.line(best))
    }
  }

  func print(_ comparison: GradientComparison) {
    Console.print(
      (comparison.agrees ? "ok    " : "WRONG ")
        + String(format: "analytic %+.6e  difference %+.6e  ", comparison.analytic, comparison.difference)
        + comparison.name)
  }

  private static func line(_ report: StepReport) -> String {
    let tokensPerSecond = Double(report.stepTokens) / report.seconds
    return "step \(report.step)/\(report.totalSteps)  "
      + text(report.metrics, ["loss", "rewards/accuracies", "rewards/margins"], separator: "  ")
      + "  \(number(tokensPerSecond, 0)) tokens/s  \(number(report.seconds, 2)) s/step  ETA \(duration(report.remainingSeconds))"
  }

  private static func line(_ best: BestOfRun) -> String {
    func value(_ evaluation: BestModel.Evaluation) -> String { "\(best.metric.name) \(number(evaluation.value, 4))" }
    let kept = best.kept.map { kept in
      "\(best.isFinal ? "the final state" : kept.name) (\(value(kept.evaluation)) at step \(kept.evaluation.step))"
    }
    let isTaken = !best.isFinal && best.kept?.evaluation.step == best.finalStep
    let ending = isTaken ? ", with which the run ends" : ""
    if let kept, best.kept?.evaluation == best.evaluation { return "best: \(kept)\(ending)" }
    return "best: step \(best.evaluation.step) (\(value(best.evaluation))), which was not saved"
      + (kept.map { "; the best that was: \($0)\(ending)" } ?? "")
  }

  /// The named metrics, without those that do not exist. While the policy equals the reference, rewards say nothing; an
  /// error that rounds to 0, as where all pairs are right, is no estimate.
  private static func text(_ metrics: ObjectiveMetrics, _ names: [String], separator: String) -> String {
    let isUntrained = metrics["rewards/chosen"] == 0 && metrics["rewards/rejected"] == 0
    return names.compactMap { name in
      guard let entry = metrics.entry(name) else { return nil }
      if isUntrained, name.hasPrefix("rewards/") {
        return name == "rewards/margins" ? "rewards: none before training" : nil
      }
      let digits = name == "loss" ? 4 : 3
      let value = "\(name) \(number(entry.value, digits))"
      guard let error = entry.standardError.map({ number($0, digits) }), error != number(0, digits) else {
        return value
      }
      return "\(value) ± \(error)"
    }
    .joined(separator: separator)
  }

  /// The share of time in each phase, and the share that each rank waited.
  private static func line(_ ranks: [PhaseSeconds]) -> String {
    let all = ranks.reduce(0) { $0 + $1.total }
    let phases = Phase.allCases.filter { $0 != .idle }.map { phase in
      "\(phase.name) \(number(100 * ranks.reduce(0) { $0 + $1[phase] } / all, 1)) %"
    }
    let idle = ranks.map { number(100 * $0[.idle] / $0.total, 1) + " %" }
    return "time: \(phases.joined(separator: ", ")); idle by rank: \(idle.joined(separator: ", "))"
  }

  static func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

  static func duration(_ seconds: Double) -> String {
    // No number of a rate near 0, which may be more than an Int.
    let whole = Int((seconds < 3.6e9 ? max(0, seconds) : 3.6e9).rounded(.up))
    return whole < 3600
      ? String(format: "%d:%02d", whole / 60, whole % 60)
      : String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }
}
