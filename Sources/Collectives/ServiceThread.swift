// A thread beside the computing thread.

import Glibc

/// A thread that runs a closure to its end.
struct ServiceThread: Sendable {
  private let thread: pthread_t

  private final class Start: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// - Parameter purpose: the operation that fails without the thread.
  /// - Throws: `MPIFailure` if the system cannot start another thread.
  init(for purpose: String, _ body: @escaping @Sendable () -> Void) throws(MPIFailure) {
    let start = Unmanaged.passRetained(Start(body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw MPIFailure(operation: purpose, reason: "no service thread: \(String(cString: strerror(code)))")
    }
    self.thread = thread
  }

  /// Waits for the thread to end. Call either this or `detach`, once.
  func join() { pthread_join(thread, nil) }

  /// Lets the thread end on its own, without `join`.
  func detach() { pthread_detach(thread) }
}
