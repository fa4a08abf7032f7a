// One rank's part in a phase whose items have results.

import Collectives
import Glibc
import Tensors

/// Items to take, and results to give.
package final class ResultPhase {
  private let queue: any WorkQueue
  private let stop: StopRequest
  private let clock: PhaseClock
  private let onResult: ([UInt8]) throws -> Void

  init(
    queue: any WorkQueue, stop: StopRequest, clock: PhaseClock, onResult: @escaping ([UInt8]) throws -> Void
  ) {
    (self.queue, self.stop, self.clock, self.onResult) = (queue, stop, clock, onResult)
  }

  /// Whether this rank was asked to stop.
  package var isAskedToStop: Bool { stop.isAsked }

  /// The next item; nil when there are no more, or a rank was asked to stop. No call follows nil.
  package func next() throws -> [UInt8]? {
    try passOn()
    clock.enter(.idle)
    defer { clock.enter(.input) }
    return try queue.next(cutting: stop.isAsked)
  }

  /// Gives the result of an item to rank 0.
  package func submit(_ result: [UInt8]) throws {
    try queue.submit(result)
    try passOn()
  }

  /// On rank 0, passes results on that have come.
  private func passOn() throws { for result in try queue.results().new { try onResult(result) } }

  /// On rank 0, waits for the results of all items that ranks have taken.
  func finish() throws {
    clock.enter(.idle)
    defer { clock.enter(.input) }
    while true {
      let (new, isComplete) = try queue.results()
      for result in new { try onResult(result) }
      if isComplete { return }
      usleep(2000)
    }
  }
}
