// A limit for calls that may never return: MPI's own start and end wait for every rank, and know no time.

import Dispatch

/// Does something unless it is cancelled in time.
///
/// Only time in which this process runs counts: a job that was stopped as a whole and goes on has lost none of it.
final class Timeout: Sendable {
  private let cancellation = DispatchSemaphore(value: 0)

  /// - Parameter action: called from a thread of its own.
  init(seconds: Double, _ action: @escaping @Sendable () -> Void) throws(MPIFailure) {
    let turns = 20
    let thread = try ServiceThread(for: "count down") { [cancellation] in
      for _ in 0..<turns where cancellation.wait(timeout: .now() + seconds / Double(turns)) == .success { return }
      action()
    }
    thread.detach()
  }

  func cancel() { cancellation.signal() }
}
