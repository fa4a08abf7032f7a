// Summaries of documents through the program, and answers to held-out documents while it trains.

import Checkpoints
import Foundation
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct SummarizeTests {
    private static let base = "\(Repository.path)/demo/model"
    private static let report =
      "In July, the court of Garland dealt with a dispute over a mill. Ivan Meyer acted as lawyer before the judge."

    private func summarize(
      _ fixture: RunFixture, _ arguments: String..., input: String = "", path: String? = nil
    ) throws -> ProcessResult {
      try Job(
        [Job.program, "summarize", "--model", Self.base, "--prompt", "\(Repository.path)/demo/summarize.txt"]
          + arguments,
        in: fixture, environment: path.map { ["PATH": $0] } ?? [:], input: input
      ).wait()
    }

    @Test func `text comes as JSON, and from standard input, alike`() throws {
      let fixture = try RunFixture()
      try fixture.write("report.txt", Self.report + "\n")
      let file = try summarize(fixture, fixture.path("report.txt"), "--json")
      let piped = try summarize(fixture, "-", "--json", input: Self.report)
      #expect(file.code == 0 && piped.code == 0, "\(file.errors)\(piped.errors)")
      let (first, second) = (try JSONValue.parse(file.output), try JSONValue.parse(piped.output))
      let summary = try #require(first["summary"]?.string)
      #expect(!summary.isEmpty && second["summary"]?.string == summary && first["parts"]?.int == 1)
      let plain = try summarize(fixture, fixture.path("report.txt"))
      #expect(plain.output == summary + "\n")
    }

    @Test func `base and tuned stand side by side`() throws {
      let fixture = try RunFixture()
      try fixture.write("report.md", Self.report)
      let trained = try fixture.train(.alone, "base_model=\(Self.base)", "max_steps=1")
      #expect(trained.code == 0, "\(trained.errors)")
      let arguments = [
        "--adapter", fixture.path("run"), "--compare", fixture.path("report.md"), fixture.path("report.md"),
      ]
      let shown = try summarize(fixture, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
      #expect(shown.code == 0, "\(shown.errors)")
      let lines = shown.output.split(separator: "\n").map(String.init)
      #expect(lines.filter { $0.hasPrefix("— ") }.count == 2)
      let title = try #require(lines.first { $0.hasPrefix("base") })
      #expect(title.hasSuffix("│  tuned") && lines.allSatisfy { $0.count <= 101 })
      let json = try summarize(fixture, "--json", arguments[0], arguments[1], arguments[2], arguments[3])
      let object = try JSONValue.parse(json.output)
      #expect(object["base"]?["summary"]?.string != nil && object["tuned"]?["summary"]?.string != nil)
    }

    @Test func `a long document is summarised in parts, or refused with its count`() throws {
      let fixture = try RunFixture()
      try fixture.write("long.txt", String(repeating: Self.report + "\n\n", count: 150))
      let parts = try summarize(fixture, fixture.path("long.txt"), "--json", "--max-new-tokens", "40")
      #expect(parts.code == 0, "\(parts.errors)")
      let object = try JSONValue.parse(parts.output)
      let count = try #require(object["parts"]?.int)
      #expect(count > 1 && object["summary"]?.string?.components(separatedBy: "\n\n").count == count)
      let refused = try summarize(fixture, fixture.path("long.txt"), "--long", "refuse")
      #expect(refused.code == 64 && refused.output.isEmpty)
      #expect(refused.errors.contains("\(object["document_tokens"]?.int ?? 0) tokens"))
    }

    @Test func `a PDF is read through pdftotext, and its absence is said`() throws {
      let fixture = try RunFixture()
      try fixture.write("paper.pdf", "%PDF-1.4")
      let absent = try summarize(fixture, fixture.path("paper.pdf"), path: "/nowhere")
      #expect(absent.code == 64 && absent.errors.contains("install poppler-utils"))
      // A stand-in that prints its input file, and a file name that a shell would split.
      try FileManager.default.createDirectory(atPath: fixture.path("bin"), withIntermediateDirectories: true)
      let program = fixture.path("bin/pdftotext")
      try fixture.write("bin/pdftotext", "#!/bin/sh\nfor last; do file=$before; before=$last; done\ncat \"$file\"\n")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
      try fixture.write("a; rm -rf $HOME.pdf", Self.report)
      let read = try summarize(
        fixture, fixture.path("a; rm -rf $HOME.pdf"), "--json", path: "\(fixture.path("bin")):/usr/bin:/bin")
      #expect(read.code == 0, "\(read.errors)")
      try fixture.write("report.txt", Self.report)
      let text = try summarize(fixture, fixture.path("report.txt"), "--json")
      #expect(try JSONValue.parse(read.output)["summary"] == JSONValue.parse(text.output)["summary"])
      try fixture.write("bin/pdftotext", "#!/bin/sh\necho 'Syntax Error: no trailer' >&2\nexit 1\n")
      let damaged = try summarize(fixture, fixture.path("paper.pdf"), path: fixture.path("bin"))
      #expect(damaged.code == 64 && damaged.errors.contains("no trailer"))
    }

    @Test func `held-out documents are answered at every evaluation, whoever does it`() throws {
      let fixture = try RunFixture()
      let settings = [
        "base_model=\(Self.base)", "val_set_size=4", "sample_documents=3", "eval_steps=1", "micro_batch_size=3",
        "num_epochs=1", "save_steps=1",
      ]
      func train(_ world: World, _ name: String) throws {
        let ending = try fixture.start(world, settings + ["output_dir=\(name)"]).wait()
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains("step 0: sample: ") || name == "again")
      }
      func samples(_ run: String) throws -> [JSONValue] {
        try fixture.text("\(run)/samples.jsonl").split(separator: "\n").map { try JSONValue.parse(String($0)) }
      }
      try train(World(threads: 1), "run")
      let found = try samples("run")
      #expect(found.compactMap { $0["step"]?.int } == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
      #expect(found.allSatisfy { $0["answer"]?.string != nil && $0["chosen"]?.string?.isEmpty == false })
      #expect(Set(found.compactMap { $0["prompt"]?.string }).count == 3)
      try train(World(ranks: 3), "three")
      #expect(try samples("three") == found)
      // Interrupted after the second step: its lines are neither lost nor repeated.
      try fixture.copyRun("run", as: "again", upTo: "checkpoint-2")
      try fixture.write("again/samples.jsonl", fixture.text("run/samples.jsonl"))
      try train(World(ranks: 2), "again")
      #expect(try samples("again") == found)
    }
  }
}
