// Waits for an MPI request by polling, so that it can sleep and see failures.

import CShoal
import Glibc

/// The reason for a wait, which decides how long it may sleep.
enum Waiting {
  /// Other ranks compute and may need the core; a millisecond more does not matter.
  case forOthers
  /// All ranks are in the same operation, which only makes progress while a rank polls.
  case everyoneIsHere
}

/// Polls `request` until it is done.
/// - Throws: `MPIFailure`, or the error of a service thread.
func wait(
  for request: inout shoal_mpi_request, _ operation: String, _ waiting: Waiting, _ backgroundError: BackgroundError
) throws {
  var backoff = Backoff()
  var done: Int32 = 0
  var polls = 0
  while true {
    try MPIFailure.check(shoal_mpi_test(&request, &done), operation)
    if done != 0 { return }
    try backgroundError.check()
    polls += 1
    if waiting == .everyoneIsHere && polls < 20_000 { sched_yield() } else { backoff.sleep() }
  }
}
