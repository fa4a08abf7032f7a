// Carries an error of a service thread, which has no caller, to the main thread.

import Synchronization

/// The first error of a service thread. Every wait of the world checks it.
final class BackgroundError: Sendable {
  private let error = Mutex<(any Error)?>(nil)

  func record(_ cause: any Error) {
    error.withLock { $0 = $0 ?? cause }
  }

  func check() throws {
    if let cause = error.withLock({ $0 }) { throw cause }
  }
}
