// The watchdog's time limit.

/// The time for which a rank may be silent.
struct WatchdogLimit: Equatable {
  static let variable = "SHOAL_WATCHDOG_SECONDS"
  /// 0 means no watchdog.
  let seconds: Double

  /// At least two seconds: mpirun lets a stopped rank run for a second before it kills it, and it must not report
  /// others.
  /// - Parameter text: the variable's value; empty if it is not set.
  /// - Throws: `WorldError.watchdogSeconds`.
  init(_ text: String) throws {
    if text.isEmpty {
      seconds = 60
    } else {
      guard let seconds = Double(text), seconds == 0 || (2...1e6).contains(seconds) else {
        throw WorldError.watchdogSeconds(variable: Self.variable, text)
      }
      self.seconds = seconds
    }
  }

  /// Seconds between two heartbeats.
  var interval: Double { min(5, seconds / 8) }
}
