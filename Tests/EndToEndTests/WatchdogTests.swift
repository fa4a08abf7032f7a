// Stopped ranks: the other ranks detect them, name them and end the job, or wait until they continue.

import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct WatchdogTests {
    /// Seconds of silence after which a job ends.
    private static let limit = 3
    private static let environment = ["SHOAL_WATCHDOG_SECONDS": "\(limit)"]
    private static let settings = ["max_steps=80", "save_steps=7"]

    /// The adapter of an uninterrupted run.
    private static let whole = Result<Data, any Error> {
      let fixture = try RunFixture()
      let ending = try fixture.start(World(threads: 2), settings).wait()
      try #require(ending.code == 0, "\(ending.errors)")
      return try fixture.adapter()
    }

    /// A job of three ranks that has done some steps.
    private static func start(_ fixture: RunFixture) throws -> Job {
      let job = try fixture.start(World(ranks: 3, threads: 1), settings, environment: environment)
      try job.wait { fixture.steps().count >= 8 }
      return job
    }

    @Test(arguments: [0, 1]) func `a stopped rank is named and the run goes on`(rank: Int) throws {
      let fixture = try RunFixture()
      let job = try Self.start(fixture)
      let ranks = try job.ranks
      let began = ContinuousClock.now
      kill(ranks[rank], SIGSTOP)
      let ending = job.wait()
      let seconds = (ContinuousClock.now - began) / .seconds(1)
      #expect(ending.code == 1, "\(ending.errors)")
      #expect(seconds >= Double(Self.limit) - 0.5 && seconds < Double(Self.limit) + 7, "\(seconds) s")
      let observer = rank == 0 ? 1 : 0
      let accusation = "[rank \(observer)] rank \(rank) (\(ProcessInfo.processInfo.hostName), process \(ranks[rank])) "
      #expect(ending.errors.contains(accusation + "has not answered for \(Self.limit) s"), "\(ending.errors)")
      #expect(ending.errors.components(separatedBy: "has not answered").count == 2, "\(ending.errors)")
      #expect(ending.errors.contains("run the same command again to go on"))
      #expect(Self.areGone(ranks))

      let resumed = try fixture.start(World(ranks: 2, threads: 1), Self.settings).wait()
      #expect(resumed.code == 0 && resumed.errors.contains("going on after step"), "\(resumed.errors)")
      #expect(try fixture.adapter() == Self.whole.get())
    }

    /// One rank for less than the limit; all of them for longer, as when a laptop sleeps.
    @Test(arguments: [([0], 1.5), ([1], 1.5), ([0, 1, 2], 5)] as [([Int], Double)])
    func `ranks that go on are not lost`(ranks stopped: [Int], seconds: Double) throws {
      let fixture = try RunFixture()
      let job = try Self.start(fixture)
      let ranks = try job.ranks
      for rank in stopped { kill(ranks[rank], SIGSTOP) }
      usleep(200_000)
      let steps = fixture.steps().count
      usleep(UInt32(seconds * 1e6))
      #expect(fixture.steps().count == steps)
      for rank in stopped { kill(ranks[rank], SIGCONT) }
      let ending = job.wait()
      #expect(ending.code == 0 && !ending.errors.contains("answered for"), "\(ending.errors)")
      #expect(try fixture.adapter() == Self.whole.get())
    }

    /// MPI itself waits for all ranks before the watchdog can start.
    @Test func `a rank that is stopped before it starts ends the job`() throws {
      let fixture = try RunFixture()
      let command = World(ranks: 2).launcher
      let stopping = ["sh", "-c", #"[ "$OMPI_COMM_WORLD_RANK" = 0 ] || kill -STOP $$; exec "$0" "$@""#]
      let job = try Job(
        command.dropLast() + stopping + [Job.program, "train", fixture.path("config.yaml")], in: fixture,
        environment: ["SHOAL_WATCHDOG_SECONDS": "2"])
      let ending = job.wait()
      #expect(ending.code == 1)
      #expect(ending.errors.contains("MPI has not started for 10 s: a rank is stopped"), "\(ending.errors)")
    }

    @Test func `a limit that is no number of seconds is refused`() throws {
      let fixture = try RunFixture()
      for limit in ["soon", "1"] {
        let ending = try fixture.train(World(ranks: 2), environment: ["SHOAL_WATCHDOG_SECONDS": limit])
        #expect(ending.code == 64, "\(ending.errors)")
        #expect(
          ending.errors.components(separatedBy: "SHOAL_WATCHDOG_SECONDS is \"\(limit)\"").count == 2,
          "\(ending.errors)")
      }
      #expect(!fixture.exists("run"))
    }

    /// Whether the processes end within ten seconds. A killed process may take a moment to disappear.
    private static func areGone(_ processes: [Int32]) -> Bool {
      let deadline = ContinuousClock.now + .seconds(10)
      while ContinuousClock.now < deadline {
        if processes.allSatisfy({ kill($0, 0) != 0 }) { return true }
        usleep(20_000)
      }
      return false
    }
  }
}

extension Job {
  /// The processes of a job's ranks, by rank.
  fileprivate var ranks: [Int32] {
    get throws {
      let numbered = try children.map { child in
        let variables = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(child)/environ")).split(separator: 0)
        let prefix = "OMPI_COMM_WORLD_RANK="
        let own = variables.map { String(decoding: $0, as: UTF8.self) }.first { $0.hasPrefix(prefix) }
        return (rank: try #require(own.flatMap { Int($0.dropFirst(prefix.count)) }), process: child)
      }
      return numbered.sorted { $0.rank < $1.rank }.map(\.process)
    }
  }
}
