// Detects failed ranks from the arrival times of heartbeats, using only this machine's clock.

package import Tensors

/// The ranks that one rank watches, and the times of their last heartbeats.
package struct FailureDetector: Sendable {
  package enum Loss: Equatable, Sendable {
    /// No heartbeat arrives: the rank is stopped, or its machine is gone.
    case silent(rank: Int)
    /// Heartbeats arrive, but the rank makes no progress.
    case stuck(rank: Int, phase: Phase)
  }

  /// Seconds without a heartbeat or without progress after which a rank has failed.
  package var limit: Double
  /// Seconds between two heartbeats of a rank.
  package let interval: Double
  private var watched: [Int: Watched]
  /// Seconds during which this rank could receive heartbeats. A time in which this rank was itself stopped, asleep or
  /// starved counts at most `interval`, because it says nothing about the other ranks.
  private var attention = 0.0
  private var last: Double

  private struct Watched {
    /// Arrival of the last heartbeat, in seconds of `attention`.
    var heard: Double
    var heartbeat: Heartbeat?
    /// Seconds in which the rank sent heartbeats but made no progress.
    var unmoved = 0.0
  }

  /// - Parameter now: seconds of a monotonic clock, as in `advance`.
  package init(over ranks: some Sequence<Int>, limit: Double, interval: Double, at now: Double) {
    (self.limit, self.interval, last) = (limit, interval, now)
    watched = Dictionary(uniqueKeysWithValues: ranks.map { ($0, Watched(heard: 0)) })
  }

  /// Advances the time to `now`, several times per interval. Then pass the heartbeats that have arrived to `hear`.
  package mutating func advance(to now: Double) {
    attention += min(now - last, interval)
    last = now
  }

  /// Records a heartbeat that has arrived.
  package mutating func hear(_ heartbeat: Heartbeat, from rank: Int) {
    guard var known = watched[rank] else { return }
    let isMoving = !heartbeat.isWorking || heartbeat != known.heartbeat
    // Time in which the rank itself was stopped and silent does not count.
    known.unmoved = isMoving ? 0 : known.unmoved + min(attention - known.heard, 2 * interval)
    (known.heard, known.heartbeat) = (attention, heartbeat)
    watched[rank] = known
  }

  /// Removes a rank that has said goodbye.
  package mutating func release(_ rank: Int) { watched[rank] = nil }

  /// The failed rank, if any.
  /// - Parameter grace: seconds added to the limit, so that only one of several ranks that detect a failure reports it.
  package func loss(grace: Double = 0) -> Loss? {
    let ranks = watched.sorted { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) }
    // Silence is checked first: other ranks may wait in a sum for the silent rank.
    guard let quietest = ranks.first, attention - quietest.value.heard <= 3 * interval else {
      return ranks.first.flatMap { attention - $0.value.heard > limit + grace ? .silent(rank: $0.key) : nil }
    }
    let stuck = ranks.filter { $0.value.unmoved > limit + grace }.max { $0.value.unmoved < $1.value.unmoved }
    return stuck.flatMap { rank, known in known.heartbeat.map { .stuck(rank: rank, phase: $0.phase) } }
  }
}
