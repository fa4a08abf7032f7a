// The launchers: which jobs they restart, stop requests at every moment, and that no process is left behind.

import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct LauncherTests {
    // MARK: Restarts

    /// Long enough to be interrupted.
    private static let settings = ["max_steps=40", "save_steps=5"]

    @Test func `a job whose rank was killed is started again`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.start(World(threads: 1), Self.settings + ["output_dir=whole"]).wait().code == 0)
      let job = try fixture.launch("local.sh", ["-n", "3", "-t", "1", "config.yaml"] + Self.settings)
      try job.wait { fixture.steps().count >= 8 }
      kill(try #require(LocalProcess.all(in: fixture).first { $0.rank == 2 }).id, SIGKILL)
      let ending = job.wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(
        ending.errors.contains(
          /local.sh: [-0-9]+ [:0-9]+: the job was ended by SIGKILL after [0-9]+ s; restart 1 of 5 in 1 s/))
      #expect(ending.errors.contains("going on after step"))
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(fixture.steps() == Array(1...40))
    }

    @Test func `a mistake is not started again`() throws {
      let fixture = try RunFixture()
      let ending = try fixture.launch("local.sh", ["config.yaml", "learning_rte=1"]).wait()
      #expect(ending.code == 64)
      #expect(ending.errors.contains("learning_rate") && !ending.errors.contains("restart"), "\(ending.errors)")
    }

    /// Three crashes, then a good end.
    private static let frail = "[[ -e 3 ]] && exit 0; [[ -e 2 ]] && : >3; [[ -e 1 ]] && : >2; : >1; exit 1"

    @Test func `the limit is on restarts in a row`() throws {
      let (fixture, other) = (try RunFixture(), try RunFixture())
      let job = try fixture.launch("local.sh", ["-n", "1", "-r", "2", "x"], standIn: Self.frail)
      // A start that lasted long enough resets the count; here every start does.
      let lasting = try other.launch(
        "local.sh", ["-n", "1", "-r", "1", "x"], standIn: Self.frail,
        edits: ["steady_seconds=600": "steady_seconds=0", "first_pause=1": "first_pause=0"])
      let ending = job.wait()
      #expect(ending.code == 1)
      #expect(ending.errors.contains("restart 1 of 2 in 1 s"))
      #expect(ending.errors.contains("restart 2 of 2 in 2 s"))
      #expect(ending.errors.contains("not started again: 2 restarts in a row"))
      #expect(fixture.exists("3"))
      let good = lasting.wait()
      #expect(good.code == 0, "\(good.errors)")
      #expect(good.errors.components(separatedBy: "restart 1 of 1 in 0 s").count == 4)
    }

    @Test func `a start that would undo the first is not made`() throws {
      let flags = ["--resume", "never", "--overwrite"]
      let fixture = try RunFixture()
      let ending = try fixture.launch("local.sh", ["-n", "1", "x"] + flags, standIn: "exit 1").wait()
      #expect(ending.code == 1)
      #expect(ending.errors.contains("not started again because of --overwrite"), "\(ending.errors)")
    }

    @Test func `a program that cannot be loaded is told once, and not started`() throws {
      let fixture = try RunFixture()
      try fixture.write("hosts", "localhost\n")
      let missing = "shoal: error while loading shared libraries: libx.so.1: cannot open shared object file"
      for (launcher, arguments) in [("local.sh", ["x"]), ("hosts.sh", ["-H", "hosts", "x"])] {
        let ending = try fixture.launch(
          launcher, arguments, standIn: "echo '\(missing)' >&2; exit 127", runs: false
        ).wait()
        #expect(ending.code == 64)
        #expect(ending.errors.hasPrefix("\(launcher): "))
        #expect(ending.errors.hasSuffix("/home/.build/release/shoal does not run (exit code 127): \(missing)\n"))
        #expect(ending.errors.count { $0 == "\n" } == 1, "\(ending.errors)")
      }
    }

    // MARK: Stop requests

    @Test func `a stop is heard at every moment`() throws {
      let signals = [SIGTERM, SIGUSR1, SIGINT, SIGHUP]
      let milliseconds = [0, 10, 20, 30, 40, 50, 70, 90, 120, 160, 220, 300]
      for some in [milliseconds.prefix(6), milliseconds.suffix(6)] {
        let jobs = try some.map { moment in
          let fixture = try RunFixture(pairs: 4)
          return (moment, fixture, try fixture.launch("local.sh", ["-n", "2", "config.yaml", "max_steps=9000"]))
        }
        for (moment, _, job) in jobs {
          try job.wait { job.catches(SIGHUP) }
          usleep(UInt32(moment) * 1000)
          job.send(signals[moment / 10 % signals.count])
        }
        for (moment, fixture, job) in jobs {
          let ending = job.wait()
          #expect(ending.code == 75, "after \(moment) ms: \(ending.errors)")
          #expect(LocalProcess.waitForNone(in: fixture) == [])
        }
      }
    }

    @Test func `a stop ends the wait before a restart`() throws {
      let fixture = try RunFixture()
      let edits = ["first_pause=1": "first_pause=50"]
      let job = try fixture.launch("local.sh", ["-n", "1", "x"], standIn: "exit 1", edits: edits)
      try job.wait { fixture.told.contains("restart 1 of 5 in 50 s") }
      #expect(LocalProcess.all(in: fixture).map(\.id) == [job.identifier])
      job.send(SIGTERM)
      let start = ContinuousClock.now
      #expect(job.wait().code == 75)
      #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test func `a crash after a stop is the end`() throws {
      let fixture = try RunFixture()
      let job = try fixture.launch(
        "local.sh", ["-n", "1", "x"], standIn: "trap 'kill -9 $$' USR1; : >up; while :; do sleep 0.1; done")
      try job.wait { fixture.exists("up") }
      job.send(SIGINT)
      let ending = job.wait()
      #expect(ending.code == 1)
      #expect(ending.errors.contains("It had been asked to stop, so it is not started again"), "\(ending.errors)")
    }

    @Test func `a second signal stops at once`() throws {
      let fixture = try RunFixture()
      let job = try fixture.launch(
        "local.sh", ["-n", "2", "x"], standIn: "trap '' USR1; : >up; while :; do sleep 0.1; done")
      try job.wait { fixture.exists("up") }
      job.send(SIGINT)
      try job.wait { fixture.told.contains("a second signal stops at once") }
      usleep(300_000)
      job.send(SIGINT)
      #expect(job.wait().code == 1)
      #expect(LocalProcess.waitForNone(in: fixture) == [])
    }

    // MARK: Orphans

    enum Victim: CaseIterable { case rank, rankZero, mpirun, mpirunOfAStoppedRank, launcher, launchersGroup }

    @Test func `nothing stays behind whatever is killed`() throws {
      let jobs = try Victim.allCases.map { victim in
        let fixture = try RunFixture(pairs: 4)
        // More ranks than cores.
        let arguments = ["-n", "3", "-t", "1", "-r", "0", "config.yaml", "max_steps=9000"]
        return (victim, fixture, try fixture.launch("local.sh", arguments))
      }
      for (victim, fixture, job) in jobs {
        try job.wait { fixture.steps().count >= 3 }
        let processes = LocalProcess.all(in: fixture)
        func identifier(_ matches: (LocalProcess) -> Bool) throws -> Int32 {
          let found = processes.first(where: matches)
          return try #require(found).id
        }
        #expect(processes.count == 5, "\(processes.map(\.description))")
        switch victim {
        case .rank: kill(try identifier { $0.rank == 1 }, SIGKILL)
        case .rankZero: kill(try identifier { $0.rank == 0 }, SIGKILL)
        case .mpirun: kill(try identifier { $0.name == "mpirun" }, SIGKILL)
        case .mpirunOfAStoppedRank:
          // It cannot detect anything itself.
          kill(try identifier { $0.rank == 1 }, SIGSTOP)
          kill(try identifier { $0.name == "mpirun" }, SIGKILL)
        case .launcher: job.send(SIGKILL)
        case .launchersGroup:
          #expect(getpgid(job.identifier) == job.identifier)
          kill(-job.identifier, SIGKILL)
        }
        #expect(LocalProcess.waitForNone(in: fixture) == [], "\(victim)")
        #expect(job.wait().code != 0)
      }
    }

    @Test func `a run without mpirun outlives its shell`() throws {
      let fixture = try RunFixture(pairs: 4)
      let run = "\(Job.program) train config.yaml max_steps=9000 --threads 1"
      // The shell waits, so that it is the parent until it is killed.
      let shell = try Job(["bash", "-c", "\(run) & wait"], in: fixture)
      try shell.wait { fixture.steps().count >= 3 }
      shell.send(SIGKILL)
      usleep(100_000)
      let steps = fixture.steps().count
      usleep(200_000)
      let left = LocalProcess.all(in: fixture)
      #expect(left.map(\.name) == ["shoal"])
      #expect(fixture.steps().count > steps)
      for process in left { kill(process.id, SIGTERM) }
      #expect(LocalProcess.waitForNone(in: fixture) == [])
      #expect(shell.wait().code == SIGKILL)
    }

    // MARK: Several hosts

    /// Replaces ssh: every host is this machine, and hosts listed in a file do not answer.
    private static func agent(in fixture: RunFixture) throws -> [String: String] {
      try fixture.write(
        "agent", "#!/bin/bash\necho \"$1\" >>asked\ngrep -qsx \"$1\" down && exit 255\nshift\nexec sh -c \"$*\"\n")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: fixture.path("agent"))
      return [
        "OMPI_MCA_plm_rsh_agent": fixture.path("agent"), "OMPI_MCA_btl_tcp_if_include": "lo",
        "OMPI_MCA_oob_tcp_if_include": "lo",
      ]
    }

    @Test func `a lost host is left out`() throws {
      let fixture = try RunFixture()
      #expect(try fixture.start(World(threads: 1), Self.settings + ["output_dir=whole"]).wait().code == 0)
      let agent = try Self.agent(in: fixture)
      try fixture.write("hosts", "# two of three\nnodea slots=1\nnodeb slots = 2 # more\nnodec\n")
      try fixture.write("down", "nodec\n")
      let job = try fixture.launch(
        "hosts.sh", ["-H", "hosts", "-t", "1", "config.yaml"] + Self.settings, environment: agent)
      try job.wait { fixture.steps().count >= 8 }
      #expect(fixture.told.contains("nodec is left out: it does not answer"))
      #expect(fixture.told.contains("ranks by host: nodea:1,nodeb:2\n"))
      let daemons = LocalProcess.all(in: fixture).filter { $0.name == "orted" }
      #expect(daemons.count == 2)
      try fixture.write("down", "nodec\nnodeb\n")
      kill(try #require(daemons.last).id, SIGKILL)
      let ending = job.wait()
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(ending.errors.contains("nodeb is left out: it does not answer"))
      #expect(ending.errors.contains("ranks by host: nodea:1\n"))
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(LocalProcess.waitForNone(in: fixture) == [])
    }

    @Test func `hosts are names and have the files`() throws {
      let fixture = try RunFixture()
      let agent = try Self.agent(in: fixture)
      for line in ["-oProxyCommand=x", "a;b", "$(id)", "a b", "a slots=0", "a,b", "a slots=2x", "ünder"] {
        try fixture.write("hosts", "\(line)\n")
        let ending = try fixture.launch("hosts.sh", ["-H", "hosts", "config.yaml"], environment: agent).wait()
        #expect(ending.code == 64 && ending.errors.contains("hosts:1:"), "\(line): \(ending.errors)")
      }
      #expect(!fixture.exists("asked"))
      try fixture.write("hosts", "nodea")
      let missing = try fixture.launch("hosts.sh", ["-H", "hosts", "it's.yaml"], environment: agent).wait()
      #expect(missing.code == 64)
      #expect(missing.errors.contains("nodea has no \(fixture.path("it's.yaml"))"), "\(missing.errors)")
      try fixture.write("down", "nodea\n")
      let none = try fixture.launch("hosts.sh", ["-H", "hosts", "-r", "0", "config.yaml"], environment: agent).wait()
      #expect(none.code == 1)
      #expect(none.errors.contains("no host is left"), "\(none.errors)")
    }

    // MARK: Slurm

    @Test func `Slurm's warning puts the job back into the queue`() throws {
      let fixture = try RunFixture()
      try fixture.write("scontrol", "#!/bin/sh\necho \"$@\" >>asked\n")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: fixture.path("scontrol"))
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      let environment = [
        "SLURM_SUBMIT_DIR": fixture.path("home"), "SLURM_JOB_ID": "77", "PATH": "\(fixture.path):\(path)",
        // This is not an allocation: srun is missing.
        "OMPI_MCA_plm": "^slurm", "OMPI_MCA_ras": "^slurm",
      ]
      let standIn = "trap 'exit 75' USR1; : >up; while :; do sleep 0.1; done"
      for (signal, asked) in [(SIGTERM, ""), (SIGUSR1, "requeue 77\n")] {
        let job = try fixture.launch("slurm.sbatch", ["x"], standIn: standIn, environment: environment)
        try job.wait { fixture.exists("up") }
        job.send(signal)
        let ending = job.wait()
        #expect(ending.code == 75, "\(ending.errors)")
        #expect((try? fixture.text("asked")) ?? "" == asked)
        try FileManager.default.removeItem(atPath: fixture.path("up"))
      }
    }
  }
}

extension Job {
  /// Whether the process has a handler for a signal.
  fileprivate func catches(_ signal: Int32) -> Bool {
    let status = (try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)) ?? ""
    let mask = status.firstMatch(of: /SigCgt:\s*([0-9a-f]+)/).flatMap { UInt64($0.1, radix: 16) } ?? 0
    return mask >> UInt64(signal - 1) & 1 == 1
  }
}
