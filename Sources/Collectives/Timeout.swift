// A limit for calls that may never return: MPI's own start and end wait for every rank without a timeout.

import Dispatch

/// Runs an action unless it is cancelled in time.
///
/// Only the time in which this process runs counts: the time in which the whole job was stopped does not.
final class Timeout: Sendable {
  private let cancellation = DispatchSemaphore(value: 0)

  /// - Parameter action: called from its own thread.
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
