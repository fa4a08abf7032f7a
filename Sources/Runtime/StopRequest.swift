// Requests to stop. Signal handlers only set a flag, so that all ranks can agree on the stop later.

import Dispatch
import Glibc
import Synchronization

/// Whether this process was asked to stop (SIGTERM, SIGUSR1, SIGINT).
package final class StopRequest: @unchecked Sendable {
  private let asked = Atomic(false)
  /// Keeps the handlers alive. Only `watchSignals` writes it.
  private var sources: [any DispatchSourceSignal] = []

  package init() {}

  package var isAsked: Bool { asked.load(ordering: .relaxed) }

  package func ask() { asked.store(true, ordering: .relaxed) }

  /// Starts to watch the process's signals.
  /// - Parameter onSecondInterrupt: called for a SIGINT after the first request.
  package func watchSignals(onSecondInterrupt: @escaping @Sendable () -> Void) {
    for number in [SIGTERM, SIGUSR1, SIGINT] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in
        if number == SIGINT && isAsked { onSecondInterrupt() }
        ask()
      }
      source.resume()
      sources.append(source)
    }
  }
}
