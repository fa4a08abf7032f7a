import Foundation

/// Seconds of this thread's processor time in `work`. Other processes of the machine do not count, so that a bound on
/// work (linear, not quadratic) holds on a busy machine too.
package func processorSeconds<Failure: Error>(of work: () throws(Failure) -> Void) throws(Failure) -> Double {
  let start = threadNanoseconds()
  try work()
  return Double(threadNanoseconds() - start) * 1e-9
}

private func threadNanoseconds() -> Int64 {
  var now = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
  return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

/// More than bounded work takes on the slowest machine (1 to 2 s), less than unbounded work takes on the fastest.
package let boundedSeconds = 30.0
