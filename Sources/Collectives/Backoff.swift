// How a rank waits: MPI's own waiting spins and would take a core from another rank.

import Glibc

/// Sleeps between polls, with sleeps that grow from 50 microseconds to 1 millisecond.
struct Backoff {
  private static let shortest: UInt32 = 50
  private static let longest: UInt32 = 1000
  private var microseconds = shortest

  mutating func sleep() {
    usleep(microseconds)
    microseconds = min(2 * microseconds, Self.longest)
  }
}
