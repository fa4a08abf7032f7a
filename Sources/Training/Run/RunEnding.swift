// How a run ended.

/// How a run ended.
package enum RunEnding: Sendable, Equatable {
  case finished
  /// A stop was asked for; everything is saved, what was under way after so many steps included.
  case stopped(step: Int, PartialWork?)
  /// An earlier run had finished already.
  case alreadyFinished
}
