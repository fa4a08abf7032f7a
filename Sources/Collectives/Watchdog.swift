// Detects ranks that stop or hang: MPI does not notice them, and all others would wait for ever.

import CShoal
import Dispatch
import Glibc
import Synchronization
import Tensors

/// A failed rank, as reported by the rank that detected it.
package struct LostRank: Error, CustomStringConvertible {
  package let observer: Int
  package let loss: FailureDetector.Loss
  /// Seconds without a heartbeat or without progress.
  package let seconds: Double
  /// The rank's host and process.
  package let place: String

  package var description: String {
    let span = span(seconds)
    return switch loss {
    case .silent(let rank):
      "rank \(rank) (\(place)) has not answered \(span): it is stopped, or its machine is gone"
    case .stuck(let rank, let phase):
      "rank \(rank) (\(place)) answers, but has been stuck in \(phase.name) \(span)"
    }
  }
}

/// A world that does not start or end in time.
package enum WorldTimeout: Error, CustomStringConvertible {
  case start(seconds: Double)
  case end(seconds: Double)

  package var description: String {
    let (event, seconds) =
      switch self {
      case .start(let seconds): ("started", seconds)
      case .end(let seconds): ("ended", seconds)
      }
    return "MPI has not \(event) \(span(seconds)): a rank is stopped, or its machine is gone"
  }
}

private func span(_ seconds: Double) -> String {
  "for \(seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)") s"
}

/// One rank's part of the watchdog: rank 0 watches all other ranks, and they watch rank 0.
///
/// A thread that mostly sleeps sends heartbeats, receives those of the others and checks them. Every rank has this
/// thread, so a rank that computes for long still sends heartbeats.
final class Watchdog: Sendable {
  let limit: WatchdogLimit
  /// Reports failures that the watchdog itself does not detect.
  let tell: @Sendable (any Error) -> Void
  private let service: WatchdogService
  private let thread: ServiceThread

  /// Starts watching. Collective.
  /// - Parameters:
  ///   - comm: used by the watchdog alone.
  ///   - places: each rank's host and process, by rank.
  ///   - end: gets the failed rank and ends the job.
  init(
    comm: shoal_mpi_comm, rank: Int, places: [String], limit: WatchdogLimit, counter: ProgressCounter,
    backgroundError: BackgroundError,
    tell: @escaping @Sendable (any Error) -> Void, end: @escaping @Sendable (LostRank) -> Never
  ) throws {
    (self.limit, self.tell) = (limit, tell)
    let service = WatchdogService(
      channel: MessageChannel(comm: comm, backgroundError: backgroundError), rank: rank, places: places, limit: limit,
      counter: counter,
      end: end)
    self.service = service
    thread = try ServiceThread(for: "watchdog") {
      do { try service.run() } catch { backgroundError.record(error) }
    }
  }

  /// Raises the limit to five times the duration of a work item, if that is longer.
  func expect(itemSeconds: Double) {
    service.limit.withLock { $0 = max(limit.seconds, 5 * itemSeconds) }
  }

  /// Says goodbye and waits for all others to do so; it still watches them. Collective.
  func close() throws {
    service.isClosing.store(true, ordering: .relaxed)
    service.wakeUp.signal()
    thread.join()
    try service.channel.free()
  }
}

enum WatchdogTag: Int32 {
  case heartbeat = 1
  case goodbye
}

/// The work of the watchdog's thread.
private final class WatchdogService: Sendable {
  let channel: MessageChannel<WatchdogTag>
  let limit: Mutex<Double>
  let isClosing = Atomic(false)
  /// Ends a sleep early.
  let wakeUp = DispatchSemaphore(value: 0)
  private let rank: Int
  private let places: [String]
  private let interval: Double
  private let counter: ProgressCounter
  private let end: @Sendable (LostRank) -> Never

  init(
    channel: MessageChannel<WatchdogTag>, rank: Int, places: [String], limit: WatchdogLimit, counter: ProgressCounter,
    end: @escaping @Sendable (LostRank) -> Never
  ) {
    (self.channel, self.rank, self.places, self.counter, self.end) = (channel, rank, places, counter, end)
    self.limit = Mutex(limit.seconds)
    interval = limit.interval
  }

  func run() throws {
    let others = rank == 0 ? Array(1..<places.count) : [0]
    let start = ContinuousClock.now
    func now() -> Double { (ContinuousClock.now - start) / .seconds(1) }
    var detector = FailureDetector(over: others, limit: limit.withLock { $0 }, interval: interval, at: now())
    // Ranks that have not said goodbye, and ranks to which this rank has not said it.
    var (present, untold) = (Set(others), Set(others))
    var outgoing: [Int: OutgoingMessage] = [:]
    var nextHeartbeat = now()
    while true {
      detector.advance(to: now())
      while let message = try channel.receive() {
        let source = Int(message.source)
        switch message.tag {
        case .heartbeat:
          guard let heartbeat = Heartbeat(bytes: message.bytes) else {
            throw MPIFailure(operation: "watchdog", reason: "rank \(source) sent no heartbeat")
          }
          detector.hear(heartbeat, from: source)
        case .goodbye:
          detector.release(source)
          present.remove(source)
        }
      }
      outgoing = try outgoing.filter { try !$0.value.isGone() }
      let isClosing = isClosing.load(ordering: .relaxed)
      let isDue = isClosing || now() >= nextHeartbeat
      // One message at a time per rank, so that messages do not pile up for a rank that receives nothing.
      for other in untold where isDue && outgoing[other] == nil {
        outgoing[other] = try OutgoingMessage(
          isClosing ? .goodbye : .heartbeat, isClosing ? [] : counter.heartbeat.bytes, to: Int32(other), on: channel)
        if isClosing { untold.remove(other) }
      }
      if isDue { nextHeartbeat = now() + interval }
      if present.isEmpty && untold.isEmpty && outgoing.isEmpty { return }
      detector.limit = limit.withLock { $0 }
      // If rank 0 fails, all others detect it: the lowest of them reports first.
      if let loss = detector.loss(grace: 2 * Double(max(0, rank - 1))) { tell(loss, detector.limit) }
      _ = wakeUp.wait(timeout: .now() + (isClosing ? 0.002 : interval / 5))
    }
  }

  private func tell(_ loss: FailureDetector.Loss, _ seconds: Double) -> Never {
    let lost =
      switch loss {
      case .silent(let rank), .stuck(let rank, _): rank
      }
    end(LostRank(observer: rank, loss: loss, seconds: seconds, place: places[lost]))
  }
}
