// An error of a service thread has no caller to be thrown at; this carries it to one.

import Synchronization

/// The first error that happened behind the main thread's back. Every wait of the world looks at it.
final class BackgroundError: Sendable {
  private let error = Mutex<(any Error)?>(nil)

  func record(_ cause: any Error) {
    error.withLock { $0 = $0 ?? cause }
  }

  func check() throws {
    if let cause = error.withLock({ $0 }) { throw cause }
  }
}
