// Rank 0's side of the work queue: it takes items itself, and a service thread answers the workers' requests. The
// service thread mostly sleeps.

import Dispatch
import Synchronization

/// The work queue on rank 0.
final class CoordinatorQueue: WorkQueue {
  private let service: WorkQueueService
  private let thread: ServiceThread

  init(channel: MessageChannel<WorkQueueTag>, workers: Int) throws {
    let service = WorkQueueService(channel: channel, workers: workers)
    self.service = service
    thread = try ServiceThread(for: "dispatch") { service.run() }
  }

  func openPhase(_ pieces: [WorkPiece], inTurn: Bool) throws {
    var backoff = Backoff()
    while true {
      try service.channel.backgroundError.check()
      let isOpen = service.state.withLock { state in
        guard state.scheduler.isEmpty else { return false }
        state.open(pieces, inTurn: inTurn)
        return true
      }
      if isOpen { break }
      // The previous phase still has items, which faster ranks will take.
      backoff.sleep()
    }
    service.wakeUp.signal()
  }

  func next(cutting: Bool) throws -> [UInt8]? {
    try service.channel.backgroundError.check()
    return service.state.withLock { state in
      if cutting { state.scheduler.cut() }
      return state.take(for: 0)
    }
  }

  func submit(_ result: [UInt8]) { service.state.withLock { $0.results.add(result) } }

  func results() throws -> (new: [[UInt8]], isComplete: Bool) {
    try service.channel.backgroundError.check()
    return service.state.withLock { $0.takeResults() }
  }

  func close() throws {
    service.state.withLock { $0.isClosing = true }
    service.wakeUp.signal()
    thread.join()
    try service.channel.backgroundError.check()
    try service.channel.free()
  }
}

/// Answers the workers' requests until the queue is closed and every worker has said goodbye.
final class WorkQueueService: Sendable {
  let channel: MessageChannel<WorkQueueTag>
  let state = Mutex(WorkQueueState())
  /// Ends a sleep early when the main thread has changed the state.
  let wakeUp = DispatchSemaphore(value: 0)
  private let workers: Int

  init(channel: MessageChannel<WorkQueueTag>, workers: Int) { (self.channel, self.workers) = (channel, workers) }

  func run() { do { try serve() } catch { channel.backgroundError.record(error) } }

  private struct Request {
    let worker: Int32
    let phase: Int64
    let isCutting: Bool
  }

  private func serve() throws {
    var waiting: [Request] = []
    var outgoing: [OutgoingMessage] = []
    var present = workers
    // Workers that have not yet been told that the open phase has ended.
    var busy = workers
    var busyPhase: Int64 = 0
    while present > 0 || !outgoing.isEmpty {
      while let message = try channel.receive() {
        switch message.tag {
        case .request: waiting.append(try Self.request(message))
        case .result: state.withLock { $0.results.add(message.bytes) }
        case .goodbye: present -= 1
        case .item, .endOfPhase, .closed:
          throw MPIFailure(operation: "dispatch", reason: "rank \(message.source) sent \(message.tag)")
        }
      }
      let phase = state.withLock { $0.scheduler.phase }
      if phase != busyPhase { (busy, busyPhase) = (workers, phase) }
      var early: [Request] = []
      for request in waiting {
        guard let (tag, payload) = answer(to: request) else {
          early.append(request)
          continue
        }
        if tag == .endOfPhase && request.phase == busyPhase { busy -= 1 }
        outgoing.append(try OutgoingMessage(tag, payload, to: request.worker, on: channel))
      }
      waiting = early
      outgoing = try outgoing.filter { try !$0.isGone() }
      sleep(outgoing.isEmpty ? (busy > 0 && busyPhase > 0 ? 500 : 5000) : 50)
    }
  }

  /// The answer to a worker; nil while its phase is not open yet.
  private func answer(to request: Request) -> (WorkQueueTag, [UInt8])? {
    state.withLock { state in
      // The request's phase has ended: a phase opens only when the previous phase is empty.
      if request.phase < state.scheduler.phase { return (.endOfPhase, []) }
      let isAbandoned = request.phase > state.scheduler.phase || !state.scheduler.isEmpty
      if state.isClosing && isAbandoned { return (.closed, []) }
      if request.phase > state.scheduler.phase { return nil }
      if request.isCutting { state.scheduler.cut() }
      return state.take(for: Int(request.worker)).map { (.item, $0) } ?? (.endOfPhase, [])
    }
  }

  private static func request(_ message: Message<WorkQueueTag>) throws -> Request {
    guard message.bytes.count == 9 else {
      throw MPIFailure(
        operation: "dispatch", reason: "rank \(message.source) sent \(message.bytes.count) bytes, not 9")
    }
    let phase = message.bytes.withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }
    return Request(worker: message.source, phase: Int64(littleEndian: phase), isCutting: message.bytes[8] != 0)
  }

  /// Sleeps until the time is over or `wakeUp` is signalled.
  private func sleep(_ microseconds: Int) { _ = wakeUp.wait(timeout: .now() + .microseconds(microseconds)) }
}
