// A worker's side of the work queue: it sends a request, sleeps, and receives the answer.

import Synchronization

/// The work queue on every rank but rank 0.
final class WorkerQueue: WorkQueue {
  private let channel: MessageChannel<WorkQueueTag>
  /// The phase of the next call of `next`.
  private let phase = Mutex<Int64>(1)

  init(channel: MessageChannel<WorkQueueTag>) { self.channel = channel }

  func openPhase(_ pieces: [WorkPiece], inTurn: Bool) { preconditionFailure("only rank 0 opens a phase") }

  func next(cutting: Bool) throws -> [UInt8]? {
    let phase = phase.withLock { $0 }
    try send(.request, withUnsafeBytes(of: phase.littleEndian) { Array($0) } + [cutting ? 1 : 0])
    let answer = try awaitAnswer()
    switch answer.tag {
    case .item:
      return answer.bytes
    case .endOfPhase:
      self.phase.withLock { $0 += 1 }
      return nil
    case .closed:
      throw MPIFailure(operation: "dispatch", reason: "rank 0 ended dispatching before phase \(phase)")
    case .request, .result, .goodbye:
      throw MPIFailure(operation: "dispatch", reason: "rank 0 answered with \(answer.tag)")
    }
  }

  func submit(_ result: [UInt8]) throws { try send(.result, result) }

  func results() -> (new: [[UInt8]], isComplete: Bool) { ([], true) }

  func close() throws {
    try send(.goodbye, [])
    try channel.free()
  }

  private func send(_ tag: WorkQueueTag, _ payload: [UInt8]) throws {
    let message = try OutgoingMessage(tag, payload, to: 0, on: channel)
    var backoff = Backoff()
    while try !message.isGone() { backoff.sleep() }
  }

  private func awaitAnswer() throws -> Message<WorkQueueTag> {
    var backoff = Backoff()
    while true {
      if let answer = try channel.receive(from: 0) { return answer }
      backoff.sleep()
    }
  }
}
