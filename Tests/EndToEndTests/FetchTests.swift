// Names of the hub: downloaded by the built program from a local hub, and trained on.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct FetchTests {
    private let fixture: RunFixture
    private let hub: LocalHub

    init() throws {
      fixture = try RunFixture(pairs: 4)
      hub = try LocalHub(directory: TinyFixture.path("model"))
    }

    private var environment: [String: String] {
      var environment = ["HF_ENDPOINT": hub.endpoint, "HF_HOME": fixture.path("hf"), "HF_TOKEN": "hf_secret"]
      // Those of the machine are not the test's.
      for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        environment[name] = ""
      }
      return environment
    }

    private var snapshot: String { "hf/hub/models--own--tiny/snapshots/\(LocalHub.commit)" }
    private let weights = "model.safetensors"

    private func start(_ arguments: String..., limit: Int? = nil) throws -> Job {
      let command = [Job.program] + arguments
      let limited = limit.map { ["bash", "-c", "ulimit -f \($0); exec \"$@\"", "-"] + command }
      return try Job(limited ?? command, in: fixture, environment: environment)
    }

    private func partialBytes() -> Int {
      let blobs = fixture.path("hf/hub/models--own--tiny/blobs")
      let names = (try? FileManager.default.contentsOfDirectory(atPath: blobs)) ?? []
      return names.filter { $0.hasSuffix(".incomplete") }.reduce(0) { sum, name in
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(blobs)/\(name)")
        return sum + (attributes?[.size] as? Int ?? 0)
      }
    }

    @Test func `a name that the cache lacks is told with its command`() throws {
      let plain = "`shoal fetch own/tiny`"
      let commands: [([String], String)] = [
        (["train", "config.yaml", "base_model=own/tiny"], plain),
        (
          ["train", "config.yaml", "base_model=own/tiny", "revision_of_model=v1"],
          "`shoal fetch own/tiny --revision v1`"
        ),
        (["train", "config.yaml", "lora_model_dir=own/adapter"], "`shoal fetch own/adapter`"),
        (["score", "--model", "own/tiny", "--data", "pairs.jsonl", "--out", "out"], plain),
        (["export", "--model", "own/tiny", "--format", "merged", "--out", "out"], plain),
        (["generate", "--model", "own/tiny", "--prompt", "x"], plain), (["tokenize", "--model", "own/tiny"], plain),
        (["bench", "--model", "own/tiny"], plain),
        (
          ["generate", "--model", TinyFixture.path("model"), "--adapter", "own/adapter", "--prompt", "x"],
          "`shoal fetch own/adapter`"
        ),
      ]
      for (arguments, command) in commands {
        let ending = try Job([Job.program] + arguments, in: fixture, environment: environment).wait()
        #expect(ending.code == 64, "\(arguments): \(ending.errors)")
        #expect(ending.errors.components(separatedBy: command).count == 2, "\(arguments): \(ending.errors)")
      }
      #expect(hub.requests.isEmpty, "nothing is downloaded unasked")
      #expect(!fixture.exists("run") && !fixture.exists("out"))
    }

    @Test func `what was fetched trains as its directory does`() throws {
      let fetched = try start("fetch", "own/tiny").wait()
      #expect(fetched.code == 0, "\(fetched.errors)")
      #expect(fetched.output == fixture.path(snapshot) + "\n")
      #expect(!fetched.errors.contains("hf_secret"))
      let named = try fixture.train(.alone, "base_model=own/tiny", environment: environment)
      #expect(named.code == 0, "\(named.errors)")
      let direct = try fixture.train(.alone, "output_dir=direct")
      #expect(direct.code == 0, "\(direct.errors)")
      #expect(try fixture.adapter() == fixture.adapter("direct"))
      let configuration = try JSONValue.parse(fixture.text("run/adapter_config.json"))
      #expect(configuration["base_model_name_or_path"] == "own/tiny")
      #expect(configuration["revision"] == .null)
      let origin = try JSONValue.parse(fixture.text("run/training.json"))
      #expect(origin["base_model"] == "own/tiny")
      let again = try fixture.train(.alone, "base_model=own/tiny", environment: environment)
      #expect(again.errors.contains("this run is finished"))
      let scores = try start(
        "score", "--model", "own/tiny", "--adapter", "run", "--data", "pairs.jsonl", "--out", "scores.jsonl"
      ).wait()
      #expect(scores.code == 0 && fixture.exists("scores.jsonl"), "\(scores.errors)")
      // The blobs that the snapshot's links lead to are inputs too.
      let blob = URL(fileURLWithPath: fixture.path("\(snapshot)/config.json")).resolvingSymlinksInPath().path
      let score = try start(
        "score", "--model", "own/tiny", "--adapter", "run", "--data", "pairs.jsonl", "--out", blob, "--overwrite"
      ).wait()
      #expect(score.code == 64)
      #expect(score.errors.contains("what --model names and what is read"))
      // A local directory of the same name goes first.
      try fixture.makeDirectory("own")
      _ = try fixture.copy("model-untied", as: "own/tiny")
      let local = try start("tokenize", "--model", "own/tiny").wait()
      #expect(local.errors.contains("own/tiny"), "\(local.errors)")
    }

    @Test func `train --fetch downloads on one rank and trains on all`() throws {
      let world = World(ranks: 2)
      let ending = try fixture.train(
        world, "--fetch", "base_model=own/tiny", "revision_of_model=v1", environment: environment)
      #expect(ending.code == 0, "\(ending.errors)")
      #expect(hub.requests(for: weights).filter(\.isStorage).count == 1)
      let configuration = try JSONValue.parse(fixture.text("run/adapter_config.json"))
      #expect(configuration["revision"] == "v1")
      let before = hub.requests.count
      #expect(
        try fixture.train(
          world, "--fetch", "base_model=own/tiny", "revision_of_model=v1", "output_dir=other",
          environment: environment
        ).code == 0)
      #expect(hub.requests.count == before, "what is there needs no network")
      hub.fail("", .status(401))
      let refused = try fixture.train(
        world, "--fetch", "base_model=own/tiny", "output_dir=third", environment: environment)
      #expect(refused.code == 64)
      #expect(refused.errors.components(separatedBy: "does not accept the token in HF_TOKEN").count == 2)
      #expect(!fixture.exists("third"))
    }

    @Test func `train --fetch takes the file that is named, and no other`() throws {
      let pairs = [UInt8](try fixture.bytes("pairs.jsonl"))
      let hub = try LocalHub(
        ["data/a.jsonl": pairs, "data/b.jsonl": pairs + pairs, "data/c.jsonl": pairs + pairs + pairs], kind: .dataset)
      let environment = environment.merging(["HF_ENDPOINT": hub.endpoint]) { $1 }
      let configuration = try fixture.text("config.yaml")
      func train(_ data: String, _ arguments: String...) throws -> ProcessResult {
        try fixture.write("config.yaml", configuration.replacing("path: pairs.jsonl", with: "path: \(data)"))
        return try fixture.start(.alone, arguments, environment: environment).wait()
      }
      let named = try train("own/tiny/data/a.jsonl", "--fetch")
      #expect(named.code == 0, "\(named.errors)")
      #expect(hub.requests(for: "b.jsonl").isEmpty)
      // The snapshot is there, that file is not.
      let lacking = try train("own/tiny/data/b.jsonl", "output_dir=second")
      #expect(lacking.code == 64)
      #expect(lacking.errors.contains("it lacks data/b.jsonl: complete it with `shoal fetch own/tiny --dataset`"))
      let second = try train("own/tiny/data/b.jsonl", "output_dir=second", "--fetch")
      #expect(second.code == 0, "\(second.errors)")
      // All of the data set is more than what was named.
      let part = try train("own/tiny", "output_dir=whole")
      #expect(part.code == 64 && part.errors.contains("has only some of its files"), "\(part.errors)")
      let whole = try train("own/tiny", "output_dir=whole", "--fetch")
      #expect(whole.code == 0, "\(whole.errors)")
      #expect(!hub.requests(for: "c.jsonl").isEmpty)
      #expect(try train("own/tiny", "output_dir=again").code == 0)
      // A mistake in the name of a file below a directory that is here.
      try fixture.makeDirectory("own")
      let count = hub.requests.count
      let mistyped = try train("own/tiny/data/d.jsonl", "output_dir=third", "--fetch")
      #expect(mistyped.code == 64)
      #expect(mistyped.errors.contains("no such file or directory"), "\(mistyped.errors)")
      #expect(hub.requests.count == count)
    }

    @Test func `an interrupted download goes on with the same command`() throws {
      hub.fail(weights, .stall(after: 60_000))
      let job = try start("fetch", "own/tiny")
      try job.wait { partialBytes() == 60_000 }
      for process in try job.children {
        let command = try String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
        #expect(command.hasPrefix("curl"))
        #expect(!command.contains("hf_secret") && !command.contains("http"))
      }
      job.send(SIGINT)
      let ending = job.wait(seconds: 20)
      #expect(ending.code == 75 && !ending.isHung, "\(ending.errors)")
      #expect(ending.errors.contains("stopped: run the same command again to go on"))
      let refused = try start("tokenize", "--model", "own/tiny").wait()
      #expect(refused.code == 64)
      #expect(refused.errors.contains("`shoal fetch own/tiny`"))
      let second = try start("fetch", "own/tiny").wait()
      #expect(second.code == 0, "\(second.errors)")
      #expect(second.errors.contains("\(weights): 177.75 KB, resumed at 60.00 KB"), "\(second.errors)")
      #expect(hub.requests(for: weights).last?.fields["range"] == "bytes=60000-")
      #expect(
        try fixture.bytes("\(snapshot)/\(weights)")
          == Data(contentsOf: URL(fileURLWithPath: "\(TinyFixture.path("model"))/\(weights)")))
    }

    @Test func `a full disk is told, and the download goes on when there is room`() throws {
      let ending = try start("fetch", "own/tiny", limit: 100).wait()
      #expect(ending.code == 1)
      #expect(ending.errors.contains("cannot write"), "\(ending.errors)")
      #expect(ending.errors.contains("make room and run the same command again to go on"), "\(ending.errors)")
      #expect(!fixture.exists("\(snapshot)/\(weights)"))
      let second = try start("fetch", "own/tiny").wait()
      #expect(second.code == 0, "\(second.errors)")
      #expect(second.errors.contains("resumed at 102.40 KB"), "\(second.errors)")
    }

    /// Every call that writes, one after the other: the disk is full from there on, or the program is killed there.
    @Test(arguments: ["torn", "kill"]) func `no fault is taken for success`(mode: String) throws {
      let hub = try LocalHub(["config.json": Array("{}".utf8), "a.json": [UInt8](repeating: 32, count: 40_000)])
      var number = 0
      while true {
        number += 1
        let home = fixture.path("hf-\(number)")
        var environment = environment.merging(["HF_ENDPOINT": hub.endpoint, "HF_HOME": home]) { $1 }
        let command = [Job.program, "fetch", "own/tiny"]
        let faulty = environment.merging([
          "LD_PRELOAD": FaultInjector.library, "FAILING_CALLS_UNDER": home, "FAILING_CALLS_GROUP": "writes",
          "FAILING_CALLS_AT": "\(number)", "FAILING_CALLS_MODE": mode, "FAILING_CALLS_ERROR": "\(ENOSPC)",
        ]) { $1 }
        let ending = try Job(command, in: fixture, environment: faulty).wait()
        let snapshot = "hf-\(number)/hub/models--own--tiny/snapshots/\(LocalHub.commit)"
        func requireRight() throws {
          #expect(try fixture.text("\(snapshot)/config.json") == "{}")
          #expect(try fixture.bytes("\(snapshot)/a.json").count == 40_000)
        }
        let isNamed = fixture.exists("hf-\(number)/hub/models--own--tiny/refs/main")
        if ending.code == 0 || isNamed { try requireRight() }
        if ending.code == 0 { break }
        if mode == "torn" {
          #expect(ending.code == 1, "\(number): \(ending.errors)")
          #expect(ending.errors.contains("No space left on device"), "\(number): \(ending.errors)")
        }
        environment["LD_PRELOAD"] = ""
        let second = try Job(command, in: fixture, environment: environment).wait()
        #expect(second.code == 0, "\(number): \(second.errors)")
        try requireRight()
      }
      #expect(number > 20)
    }

    @Test func `two downloads at once share the work`() throws {
      let jobs = try (0..<2).map { _ in try start("fetch", "own/tiny") }
      for job in jobs { #expect(job.wait().code == 0) }
      #expect(hub.requests(for: weights).filter(\.isStorage).count == 1)
    }

    @Test func `mistakes are told before the network is used`() throws {
      for (arguments, text) in [
        (["own/tiny/x"], "is no name of the hub, expected OWNER/NAME"),
        (["own/tiny", "--revision", "a..b"], "is no branch, tag or commit"),
        (["own/tiny", "--overwrite"], "--overwrite goes with --out"),
        (["own/tiny", "--out", "pairs.jsonl"], "it is no directory"),
        (["own/tiny", "--out", ""], "--out is empty"),
      ] {
        let ending = try Job([Job.program, "fetch"] + arguments, in: fixture, environment: environment).wait()
        #expect(ending.code == 64, "\(ending.errors)")
        #expect(ending.errors.contains(text), "\(ending.errors)")
      }
      let offline = environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }
      let ending = try Job([Job.program, "fetch", "own/tiny"], in: fixture, environment: offline).wait()
      #expect(ending.code == 64)
      #expect(ending.errors.contains("HF_HUB_OFFLINE is set, so nothing is downloaded"))
      let none = try Job(
        ["env", "PATH=\(fixture.path)", Job.program, "fetch", "own/tiny"], in: fixture, environment: environment
      ).wait()
      #expect(none.code == 64, "\(none.errors)")
      #expect(none.errors.contains("which is not installed: install curl"))
      #expect(hub.requests.isEmpty)
    }
  }
}
