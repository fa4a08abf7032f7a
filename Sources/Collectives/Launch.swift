// Detects whether a launcher started this process, and joins the world it belongs to.

internal import CShoal
import Foundation

/// The launcher, as the environment describes it.
package struct Launch: Equatable, Sendable {
  /// Whether MPI has to be started.
  package let usesMPI: Bool
  /// Whether the parent is a daemon of Open MPI. Slurm's daemons end their processes in other ways.
  package let isChildOfMpirun: Bool
  /// This process's rank as the launcher announces it, or 0.
  package let rank: Int
  /// The number of ranks that the launcher announces, and the variable that holds it.
  package let announced: Announcement?

  package struct Announcement: Equatable, Sendable {
    package let variable: String
    package let size: Int
  }

  /// Reads the variables of Open MPI's mpirun, of PMI and PMIx launchers, and of srun.
  ///
  /// Open MPI comes first: its mpirun uses srun inside an allocation, and srun then counts daemons. A Slurm batch
  /// script has `SLURM_NTASKS` but is not a rank; only a step has `SLURM_STEP_NUM_TASKS`.
  package init(environment: [String: String]) {
    announced =
      ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"].lazy.compactMap { variable in
        environment[variable].flatMap { Int($0) }.map { Announcement(variable: variable, size: $0) }
      }.first
    rank =
      ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"].lazy
      .compactMap { environment[$0].flatMap { Int($0) } }.first ?? 0
    let speaksMPI = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"].contains { environment[$0] != nil }
    isChildOfMpirun = environment["OMPI_COMM_WORLD_SIZE"] != nil
    usesMPI = speaksMPI || (announced?.size ?? 1) > 1
  }

  /// Joins the world of this process: all ranks of the job, or a world of one rank.
  /// - Parameter end: ends this process, from another thread, if MPI does not start in time; nil means no time limit.
  /// - Throws: `WorldError.sizeDiffers` if MPI does not see the ranks that the launcher started.
  package static func joinWorld(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    end: (@Sendable (WorldTimeout) -> Never)? = nil
  ) throws -> any Communicator {
    let launch = Launch(environment: environment)
    guard launch.usesMPI else { return SoloCommunicator() }
    // A rank without its daemon would notice late, or never while it computes. If the daemon died before this line, MPI
    // cannot start.
    if launch.isChildOfMpirun { shoal_process_end_with_parent() }
    // MPI waits for every rank to start, and a rank may be stopped. Large worlds need long.
    let limit = 5 * ((try? WatchdogLimit(environment[WatchdogLimit.variable] ?? ""))?.seconds ?? 0)
    let timeout = try end.flatMap { end in
      try limit > 0 ? Timeout(seconds: limit + 2 * Double(launch.rank)) { end(.start(seconds: limit)) } : nil
    }
    let world = try MPICommunicator()
    timeout?.cancel()
    if let announced = launch.announced, announced.size != world.size {
      let error = WorldError.sizeDiffers(variable: announced.variable, announced: announced.size, found: world.size)
      try world.finish()
      throw error
    }
    return world
  }
}
