// How tasks are evaluated, whatever the model.

import Corpus

/// The settings of an evaluation.
package struct EvaluationSettings: Sendable {
  /// Examples per prompt; nil: as the task says. A task that says 0 keeps it.
  package var shotCount: Int?
  /// Documents per task, or below 1 the share of them; nil: all.
  package var limit: Double?
  /// Of the examples' draws.
  package var seed = 1234
  /// Renders prompts as chats; nil: prompts are texts.
  package var chat: ChatRendering?
  /// Whether the examples of a chat are turns of their own; nil: as lm-eval, in chats they are.
  package var showsShotsAsTurns: Bool?
  package var systemInstruction: String?
  /// Resamplings of the standard errors that have no formula; 0: no standard errors.
  package var bootstraps = 100_000
  /// Runs the programs that answers are; nil: tasks with programs are refused.
  package var programRunner: (any ProgramRunner)?

  package init() {}

  /// How many of some documents are evaluated.
  func documentCount(of total: Int) -> Int {
    guard let limit, limit > 0 else { return total }
    return min(total, limit < 1 ? Int((Double(total) * limit).rounded(.up)) : Int(min(limit, 1e15)))
  }
}
