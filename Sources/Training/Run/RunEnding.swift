// The ways in which a run can end.

/// The way in which a run ended.
package enum RunEnding: Sendable, Equatable {
  case finished
  /// A stop was requested. Everything is saved, including the partial work after `step` steps.
  case stopped(step: Int, PartialWork?)
  /// An earlier run had already finished.
  case alreadyFinished
}
