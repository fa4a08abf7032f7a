// Tests the world of one rank, and the environment's information about worlds.

import Collectives
import Testing

@Suite struct SoloTests {
  struct Breakdown: Error, CustomStringConvertible {
    let description = "the disk is on fire"
  }

  @Test func `operations are identities`() throws {
    let world: any Communicator = SoloCommunicator()
    #expect(world.rank == 0 && world.size == 1 && world.rankOnNode == 0 && world.ranksOnNode == 1)
    var values: [Int64] = [.max, -3, 0]
    try world.sum(&values)
    #expect(values == [.max, -3, 0])
    #expect(try world.broadcast([1, 2], from: 0) == [1, 2])
    #expect(try world.gather([]) == [[]])
    #expect(try world.agree(on: 5) == 5)
    try world.barrier()
    try world.finish()
  }

  @Test func `the queue gives every item in order`() throws {
    let queue = SoloCommunicator().workQueue()
    for phase: UInt8 in 0..<3 {
      try queue.openPhase((0..<phase).map { WorkPiece(bytes: [phase, $0]) })
      var taken: [[UInt8]] = []
      while let item = try queue.next(cutting: false) { taken.append(item) }
      #expect(taken == (0..<phase).map { [phase, $0] })
    }
    try queue.close()
  }

  @Test func `a failure is agreed on`() throws {
    let world = SoloCommunicator()
    try world.agreeOnFailure(local: nil)
    let failure = #expect(throws: AgreedFailure.self) { try world.agreeOnFailure(local: WorldError.ranksDiffer([])) }
    #expect(failure?.rank == 0 && failure?.isUserError == true)
    let other = #expect(throws: AgreedFailure.self) { try world.agreeOnFailure(local: Breakdown()) }
    #expect(other?.isUserError == false)
    #expect(other?.message == "the disk is on fire")
  }
}

@Suite struct LaunchTests {
  @Test func `without a launcher there is no MPI`() {
    #expect(!Launch(environment: ["PATH": "/bin"]).usesMPI)
    // A batch script in an allocation is not a rank; a step of one task needs no MPI.
    #expect(!Launch(environment: ["SLURM_JOB_ID": "1", "SLURM_NTASKS": "8"]).usesMPI)
    #expect(!Launch(environment: ["SLURM_STEP_NUM_TASKS": "1"]).usesMPI)
  }

  @Test func `launchers are recognised`() {
    for variable in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"] {
      let launch = Launch(environment: [variable: "4", "PATH": "/bin"])
      #expect(launch.usesMPI)
      #expect(launch.announced?.variable == variable && launch.announced?.size == 4)
    }
    let pmix = Launch(environment: ["PMIX_RANK": "0"])
    #expect(pmix.usesMPI && pmix.announced == nil)
    // mpirun inside an allocation starts one daemon per node with srun.
    let nested = Launch(environment: ["SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_SIZE": "8"])
    #expect(nested.announced?.size == 8)
  }
}

@Suite struct WorldCheckTests {
  @Test func `facts survive the trip`() {
    let facts = ["model": "ab", "": "empty key", "größe": "", "long": String(repeating: "x", count: 70_000)]
    #expect(WorldCheck.decode(WorldCheck.encode(facts)) == facts)
    #expect(WorldCheck.decode([]) == [:])
    #expect(WorldCheck.decode(Array(WorldCheck.encode(facts).dropLast())) == nil)
    #expect(WorldCheck.decode([1, 0, 0, 0, 65]) == nil)
  }

  @Test func `differences name key ranks and values`() {
    let found = WorldCheck.compare([
      ["blas": "SkylakeX", "binary": "1"], ["blas": "Haswell", "binary": "1"], ["blas": "SkylakeX"],
    ])
    #expect(
      found.map { "\($0)" } == [
        #"binary: "1" on ranks 0, 1, nothing on rank 2"#, #"blas: "SkylakeX" on ranks 0, 2, "Haswell" on rank 1"#,
      ])
    #expect(WorldCheck.compare([["a": "1"], ["a": "1"]]).isEmpty)
  }

  @Test func `a world of one adds correctly`() throws {
    let world = SoloCommunicator()
    try WorldCheck.requireCorrectSums(in: world)
    try WorldCheck.requireAlike(["a": "1"], in: world)
  }
}
