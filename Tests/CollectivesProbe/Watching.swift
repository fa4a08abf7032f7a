// Scenarios: ranks that watch each other.

import Collectives
import Glibc
import Tensors

/// The last rank is in a kernel that never ends; the others wait for it.
func stuckLastRank(_ world: any Communicator) throws {
  try watch(world)
  let clock = PhaseClock()
  world.follow(clock, itemSeconds: 0)
  clock.enter(.linears)
  if world.rank == world.size - 1 { sleep(60) }
  try world.barrier()
}

/// No rank is reported, although all of them pause for longer than the limit.
func patientWatch(_ world: any Communicator) throws {
  try watch(world)
  let clock = PhaseClock()
  world.follow(clock, itemSeconds: 0)
  // Waiting does not count against a rank, whatever its last phase was.
  clock.enter(.optimizer)
  if world.rank == 0 {
    for _ in 0..<300 {
      usleep(10_000)
      clock.enter(.linears)
    }
  }
  try world.barrier()
  // Nor does reading files.
  clock.enter(.input)
  if world.rank == world.size - 1 { sleep(3) }
  try world.barrier()
  // A long item raises the limit.
  world.follow(clock, itemSeconds: 1)
  clock.enter(.attention)
  sleep(3)
}

/// The last rank is stopped after MPI has ended and the others have left.
func stoppedOnItsWayOut(_ world: any Communicator) throws {
  try watch(world)
  if world.rank == world.size - 1 { atexit { raise(SIGSTOP) } }
}

private func watch(_ world: any Communicator) throws {
  try world.watch { [rank = world.rank] in CollectivesProbe.say("[rank \(rank)] \($0)") }
}
