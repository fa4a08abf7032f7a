// The setting of the watchdog.

/// How long a rank may be silent.
struct WatchdogLimit: Equatable {
  static let variable = "SHOAL_WATCHDOG_SECONDS"
  /// 0: nobody watches.
  let seconds: Double

  /// At least two: mpirun lets a stopped rank go on for a second before it kills it, and it must not accuse others.
  /// - Parameter text: of the environment; empty where it says nothing.
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

  /// Between two heartbeats.
  var interval: Double { min(5, seconds / 8) }
}
