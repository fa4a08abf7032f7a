// Who is lost: judged from when heartbeats arrive, by this machine's own clock alone.

package import Tensors

/// The ranks that one rank watches, and when it last heard of them.
package struct FailureDetector: Sendable {
  package enum Loss: Equatable, Sendable {
    /// Nothing arrives: the rank is stopped, or its machine is gone.
    case silent(rank: Int)
    /// It answers, and does not move on.
    case stuck(rank: Int, phase: Phase)
  }

  /// Seconds without a heartbeat, or between kernels, after which a rank is lost.
  package var limit: Double
  /// Seconds between two heartbeats of a rank.
  package let interval: Double
  private var watched: [Int: Watched]
  /// Seconds in which this rank could have heard something. Of a time in which it was itself stopped, asleep or
  /// starved, next to nothing counts: it knows nothing of the others then.
  private var attention = 0.0
  private var last: Double

  private struct Watched {
    /// When the last heartbeat arrived, in seconds of attention.
    var heard: Double
    var heartbeat: Heartbeat?
    /// Seconds in which it answered and did not move.
    var unmoved = 0.0
  }

  /// - Parameter now: seconds of a clock that never goes back, as in `advance`.
  package init(over ranks: some Sequence<Int>, limit: Double, interval: Double, at now: Double) {
    (self.limit, self.interval, last) = (limit, interval, now)
    watched = Dictionary(uniqueKeysWithValues: ranks.map { ($0, Watched(heard: 0)) })
  }

  /// Lets the time up to `now` pass; called several times per interval. What has arrived is heard after it.
  package mutating func advance(to now: Double) {
    attention += min(now - last, interval)
    last = now
  }

  /// Takes a heartbeat that has arrived.
  package mutating func hear(_ heartbeat: Heartbeat, from rank: Int) {
    guard var known = watched[rank] else { return }
    let isMoving = !heartbeat.isWorking || heartbeat != known.heartbeat
    // Nor does the time count in which the rank itself was stopped, and silent.
    known.unmoved = isMoving ? 0 : known.unmoved + min(attention - known.heard, 2 * interval)
    (known.heard, known.heartbeat) = (attention, heartbeat)
    watched[rank] = known
  }

  /// Forgets a rank that has said goodbye.
  package mutating func release(_ rank: Int) { watched[rank] = nil }

  /// The rank that is lost, if any is.
  /// - Parameter grace: seconds beyond the limit: where several ranks see the same, one is to speak.
  package func loss(grace: Double = 0) -> Loss? {
    let ranks = watched.sorted { ($0.value.heard, $0.key) < ($1.value.heard, $1.key) }
    // Others may wait in the middle of a sum for a rank that is silent: its silence comes first.
    guard let quietest = ranks.first, attention - quietest.value.heard <= 3 * interval else {
      return ranks.first.flatMap {
        attention - $0.value.heard > limit + grace ? .silent(rank: $0.key) : nil
      }
    }
    let stuck = ranks.filter { $0.value.unmoved > limit + grace }.max { $0.value.unmoved < $1.value.unmoved }
    return stuck.flatMap { rank, known in known.heartbeat.map { .stuck(rank: rank, phase: $0.phase) } }
  }
}
