// Records with mistakes that a run leaves out, and what it says of data that were probably not meant so.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct BadRecordTests {
    private static let bad = #"{"prompt": "What turns?", "chosen": "", "rejected": " A stone."}"# + "\n{\n"
    private static let equal = #"{"prompt": "Who leads?", "chosen": " Nobody.", "rejected": " Nobody."}"# + "\n"

    /// Thirteen sound pairs, and behind the fifth two records with mistakes and a pair of equals.
    private static func fixture() throws -> RunFixture {
      let fixture = try RunFixture()
      // Dropout is drawn by a record's number.
      try fixture.write("config.yaml", try fixture.text("config.yaml").replacing("dropout: 0.1", with: "dropout: 0"))
      let lines = RunFixture.lines(RunFixture.pairs).split(separator: "\n").map { "\($0)\n" }
      try fixture.write("pairs.jsonl", (lines[..<5] + [bad, equal] + lines[5...]).joined())
      try fixture.write("sound.jsonl", (lines[..<5] + [equal] + lines[5...]).joined())
      return fixture
    }

    private func skipped(_ fixture: RunFixture, _ run: String = "run") throws -> [JSONValue] {
      try fixture.text("\(run)/skipped_records.jsonl").split(separator: "\n").map { try JSONValue.parse(String($0)) }
    }

    @Test func `records with mistakes are left out, counted, told and listed`() throws {
      let fixture = try Self.fixture()
      #expect(try fixture.train(.alone, "datasets.0.path=sound.jsonl", "output_dir=sound").code == 0)
      #expect(!fixture.exists("sound/skipped_records.jsonl"))
      for (name, world) in [("run", World.alone), ("three", World(ranks: 3, threads: 1))] {
        let ending = try fixture.train(world, "skip_bad_records=2", "output_dir=\(name)")
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(
          ending.errors.contains(
            "2 left out with mistakes, of at most 2 (skip_bad_records): pairs.jsonl:6, pairs.jsonl:7; "
              + "\(name)/skipped_records.jsonl lists them\n"), "\(ending.errors)")
        #expect(ending.errors.contains("14 of 16 records kept: "))
        let found = try skipped(fixture, name)
        #expect(found.map { $0["line"]?.int } == [6, 7])
        #expect(found.allSatisfy { $0["file"]?.string == "pairs.jsonl" })
        #expect(found.first?["problem"]?.string == "field \"chosen\": the completion is empty")
        let examples = try JSONValue.parse(fixture.text("\(name)/run.json"))["examples"]
        #expect(examples?["skipped"]?.int == 2 && examples?["records"]?.int == 16 && examples?["kept"]?.int == 14)
        #expect(examples?["equal_pairs"]?.int == 1)
        #expect(try fixture.adapter(name) == fixture.adapter("sound"))
      }
      let plan = try fixture.train(.alone, "skip_bad_records=5", "output_dir=plan", "--plan")
      #expect(try JSONValue.parse(plan.output)["examples"]?["skipped"]?.int == 2)
      #expect(!fixture.exists("plan"))
    }

    @Test func `more mistakes than that are an error`() throws {
      let fixture = try Self.fixture()
      for (count, note) in [
        (1, "2 of 16 records have mistakes: skip_bad_records allows 1"),
        (0, "2 of 16 records have mistakes: skip_bad_records: 2 leaves as many out"),
      ] {
        for world in [World.alone, World(ranks: 2, threads: 1)] {
          let ending = try fixture.train(world, "skip_bad_records=\(count)")
          #expect(ending.code == 64)
          #expect(ending.errors.contains("pairs.jsonl:6 (byte ") && ending.errors.contains(note), "\(ending.errors)")
          #expect(!fixture.exists("run"))
        }
      }
      // Training and test data together.
      let test = "test_datasets=[{path: pairs.jsonl}]"
      let ending = try fixture.train(.alone, "skip_bad_records=3", test)
      #expect(ending.code == 64 && ending.errors.contains("allows 3, and 2 were left out before"), "\(ending.errors)")
      #expect(try fixture.train(.alone, "skip_bad_records=4", "max_steps=1", test).code == 0)
      #expect(try skipped(fixture).count == 4)
    }

    @Test func `a resumed run leaves the same records out`() throws {
      let fixture = try Self.fixture()
      #expect(try fixture.train(.alone, "skip_bad_records=2", "max_steps=40", "output_dir=whole").code == 0)
      #expect(try fixture.trainAndStop(.alone, "skip_bad_records=2", "max_steps=40").code == 75)
      let refused = try fixture.train(.alone, "skip_bad_records=3", "max_steps=40")
      #expect(refused.code == 64 && refused.errors.contains("skip_bad_records: 2 in the checkpoint, 3 now"))
      #expect(try fixture.train(World(ranks: 2, threads: 1), "skip_bad_records=2", "max_steps=40").code == 0)
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(try skipped(fixture) == skipped(fixture, "whole"))
    }

    @Test func `a list of others is not replaced`() throws {
      let fixture = try Self.fixture()
      try FileManager.default.createDirectory(atPath: fixture.path("run"), withIntermediateDirectories: true)
      try fixture.write("run/skipped_records.jsonl", "mine\n")
      let refused = try fixture.train(.alone, "skip_bad_records=2")
      #expect(refused.code == 64 && refused.errors.contains("skipped_records.jsonl"), "\(refused.errors)")
      #expect(try fixture.train(.alone, "datasets.0.path=sound.jsonl", "max_steps=1").code == 0)
      #expect(try fixture.text("run/skipped_records.jsonl") == "mine\n")
      #expect(try fixture.train(.alone, "skip_bad_records=2", "max_steps=1", "output_dir=own").code == 0)
      #expect(
        try fixture.train(.alone, "max_steps=1", "datasets.0.path=sound.jsonl", "output_dir=own", "--overwrite").code
          == 0)
      #expect(!fixture.exists("own/skipped_records.jsonl"))
    }

    @Test func `pairs of equals are left out where that is asked`() throws {
      let fixture = try Self.fixture()
      let sound = try fixture.text("sound.jsonl")
      try fixture.write("unequal.jsonl", sound.replacing(Self.equal, with: ""))
      let ending = try fixture.train(
        .alone, "datasets.0.path=sound.jsonl", "drop_equal_pairs=true", "curriculum_sampling=true")
      #expect(
        ending.code == 0
          && ending.errors.contains("1 with chosen equal to rejected: they prefer nothing and are left out"))
      #expect(
        try fixture.train(.alone, "datasets.0.path=unequal.jsonl", "output_dir=other", "curriculum_sampling=true").code
          == 0)
      #expect(try fixture.adapter() == fixture.adapter("other"))
      #expect(try JSONValue.parse(fixture.text("run/run.json"))["examples"]?["equal_pairs"]?.int == 1)
    }
  }
}
