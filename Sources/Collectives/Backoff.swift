// How a rank waits: MPI's own waiting spins and would eat a core that another rank computes on.

import Glibc

/// Ever longer sleeps between polls, from 50 microseconds to 1 millisecond.
struct Backoff {
  private static let shortest: UInt32 = 50
  private static let longest: UInt32 = 1000
  private var microseconds = shortest

  mutating func sleep() {
    usleep(microseconds)
    microseconds = min(2 * microseconds, Self.longest)
  }
}
