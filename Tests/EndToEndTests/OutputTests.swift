// Where commands write: inputs, links and what others wrote stay as they are, whatever is named as the output.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

/// A command that writes to a place that it is told.
private enum Writer: CaseIterable, CustomTestStringConvertible {
  case score, requests, pairs, merged, adapter, train

  var testDescription: String { "\(self)" }

  var writesFile: Bool { [.score, .requests].contains(self) }

  /// The directories that it reads.
  var inputDirectories: [String] {
    switch self {
    case .score, .merged, .adapter: ["model", "adapter"]
    case .requests, .pairs: ["model"]
    case .train: ["model", "adapter"]
    }
  }

  /// The files that it reads, besides those of the directories.
  var inputFiles: [String] {
    switch self {
    case .score: ["pairs.jsonl", "model/model.safetensors", "adapter/adapter_model.safetensors"]
    case .requests: ["documents.jsonl", "model/tokenizer.json"]
    case .pairs: ["documents.jsonl", "answers.jsonl"]
    case .train: ["pairs.jsonl", "test.jsonl"]
    case .merged, .adapter: []
    }
  }

  func arguments(_ out: String) -> [String] {
    let tuned = ["--model", "model", "--adapter", "adapter"]
    let documents = ["--documents", "documents.jsonl", "--model", "model", "--min-tokens", "1"]
    return switch self {
    case .score: ["score", "--data", "pairs.jsonl", "--out", out] + tuned
    case .requests: ["prepare", "requests", "--out", out] + documents
    case .pairs: ["prepare", "pairs", "--answers", "answers.jsonl", "--out-dir", out] + documents
    case .merged: ["export", "--format", "merged", "--out", out] + tuned
    case .adapter: ["export", "--format", "adapter", "--out", out] + tuned
    case .train:
      ["train", "config.yaml", "max_steps=1", "output_dir=\(out)", "base_model=model", "lora_model_dir=adapter"]
        + ["test_datasets=[{path: test.jsonl}]"]
    }
  }
}

extension EndToEnd {
  @Suite struct OutputTests {
    private static let answer = JSONValue.object([
      .init("id", "d0"),
      .init(
        "text",
        .string(
          "**Summary 1:**\nThe tide turns the shoal, which nobody leads.\n**Total score:** 16/18\n"
            + "**Summary 2:**\nFish swim.\n**Total score:** 12/18\n**Best summary:** 1")),
    ]).serialized()

    private func fixture() throws -> RunFixture {
      let fixture = try RunFixture(pairs: 3)
      _ = try fixture.copy("model", as: "model")
      _ = try fixture.copy("adapter", as: "adapter")
      try fixture.write("test.jsonl", RunFixture.lines(1))
      try fixture.write("documents.jsonl", #"{"id": "d0", "text": "The tide turns the shoal, which nobody leads."}"#)
      try fixture.write("answers.jsonl", Self.answer)
      try fixture.write("mine.txt", "mine")
      try fixture.makeDirectory("theirs/checkpoint-500/runs")
      for name in ["adapter_model.safetensors", "adapter_config.json", "README.md", "manifest.json", "train.jsonl"] {
        try fixture.write("theirs/\(name)", "theirs")
      }
      for name in ["optimizer.pt", "trainer_state.json", "adapter_model.safetensors"] {
        try fixture.write("theirs/checkpoint-500/\(name)", "{}")
      }
      return fixture
    }

    /// Requires that a command is refused with one message, and that nothing has changed, with and without --overwrite.
    private func requireRefusal(
      _ fixture: RunFixture, _ writer: Writer, _ out: String, says: String? = nil, overwriting: [Bool] = [false, true]
    ) throws {
      let before = try fixture.snapshot()
      for overwrites in overwriting {
        let ending = try Job(
          [Job.program] + writer.arguments(out) + (overwrites ? ["--overwrite"] : []), in: fixture
        ).wait()
        #expect(ending.code == 64, "\(writer) \(out) \(overwrites): \(ending.errors)")
        #expect(
          ending.errors.hasPrefix("shoal: ") && ending.errors.contains(says ?? out),
          "\(writer) \(out): \(ending.errors)"
        )
        #expect(try fixture.snapshot() == before, "\(writer) \(out) \(overwrites)")
      }
    }

    @Test(arguments: Writer.allCases)
    fileprivate func `no output is an input`(writer: Writer) throws {
      let fixture = try fixture()
      try fixture.makeDirectory("sub")
      for name in writer.inputFiles {
        try requireRefusal(fixture, writer, name)
        try requireRefusal(fixture, writer, "sub/../\(name)")
        try fixture.link("link", to: name)
        try fixture.hardLink("hard", to: name)
        for other in ["link", "hard"] {
          try requireRefusal(fixture, writer, other)
          try FileManager.default.removeItem(atPath: fixture.path(other))
        }
      }
      for name in writer.inputDirectories {
        try requireRefusal(fixture, writer, name)
        if !writer.writesFile { try requireRefusal(fixture, writer, "\(name)/new", says: "lies in \(name), which") }
        try fixture.link("link", to: name)
        try requireRefusal(
          fixture, writer, writer.writesFile ? "link/\(name == "model" ? "" : "adapter_")config.json" : "link")
        try FileManager.default.removeItem(atPath: fixture.path("link"))
      }
    }

    /// Files in an output directory that are read under another name.
    @Test func `no file of an output directory is an input`() throws {
      let fixture = try fixture()
      try fixture.makeDirectory("out/checkpoint-1")
      try fixture.hardLink("out/metrics.jsonl", to: "pairs.jsonl")
      try requireRefusal(
        fixture, .train, "out", says: "would replace or remove pairs.jsonl, which datasets.0.path names")
      try FileManager.default.removeItem(atPath: fixture.path("out/metrics.jsonl"))
      try FileManager.default.removeItem(atPath: fixture.path("adapter"))
      for name in ["adapter_model.safetensors", "adapter_config.json"] {
        try FileManager.default.copyItem(
          atPath: TinyFixture.path("adapter/\(name)"), toPath: fixture.path("out/checkpoint-1/\(name)"))
      }
      try fixture.link("adapter", to: "out/checkpoint-1")
      try requireRefusal(fixture, .train, "out", says: "would replace or remove adapter, which lora_model_dir names")
      try fixture.makeDirectory("data")
      try FileManager.default.moveItem(
        atPath: fixture.path("answers.jsonl"), toPath: fixture.path("data/rejects.jsonl"))
      try fixture.link("answers.jsonl", to: "data/rejects.jsonl")
      try requireRefusal(fixture, .pairs, "data", says: "data/rejects.jsonl: is the same as answers.jsonl")
      // Of documents in a directory, a new file is one the next time.
      try FileManager.default.removeItem(atPath: fixture.path("documents.jsonl"))
      try fixture.makeDirectory("documents.jsonl")
      try fixture.write("documents.jsonl/docs.jsonl", #"{"id": "d0", "text": "The tide turns."}"#)
      try requireRefusal(fixture, .requests, "documents.jsonl/requests.jsonl", says: "lies in documents.jsonl, which")
    }

    @Test(arguments: Writer.allCases)
    fileprivate func `links are not followed for writing`(writer: Writer) throws {
      let fixture = try fixture()
      try fixture.makeDirectory("empty")
      for target in ["mine.txt", "nowhere", "empty", "theirs"] {
        try fixture.link("link", to: target)
        try requireRefusal(
          fixture, writer, "link", says: "link: is a symbolic link to \(target)",
          overwriting: writer.writesFile ? [false] : [false, true])
        if writer.writesFile {
          // The link itself is replaced.
          let before = try fixture.snapshot()
          let ending = try Job([Job.program] + writer.arguments("link") + ["--overwrite"], in: fixture).wait()
          #expect(ending.code == 0, "\(ending.errors)")
          let after = try fixture.snapshot()
          #expect(before.filter { $0.key != "link" } == after.filter { $0.key != "link" })
          #expect(after["link"]?.hasPrefix("link") == false)
        }
        try FileManager.default.removeItem(atPath: fixture.path("link"))
      }
    }

    @Test(arguments: Writer.allCases)
    fileprivate func `what others wrote stays`(writer: Writer) throws {
      let fixture = try fixture()
      if writer.writesFile {
        try requireRefusal(fixture, writer, "mine.txt", says: "mine.txt is there already", overwriting: [false])
        try requireRefusal(fixture, writer, "theirs", says: "theirs: is a directory, expected a file")
        return
      }
      try requireRefusal(fixture, writer, "mine.txt", says: "mine.txt: cannot write a new directory")
      let named =
        switch writer {
        case .train: "theirs: holds adapter_config.json, adapter_model.safetensors, checkpoint-500, which this run"
        case .pairs: "theirs/train.jsonl"
        default: "theirs: cannot write a new directory: File exists: nothing proves that Shoal wrote README.md"
        }
      try requireRefusal(fixture, writer, "theirs", says: named)
    }

    @Test func `a named file is replaced with --overwrite, and streams are written to`() throws {
      let fixture = try fixture()
      func score(_ out: String, _ more: String...) throws -> ProcessResult {
        try Job([Job.program] + Writer.score.arguments(out) + more, in: fixture).wait()
      }
      #expect(try score("out.jsonl").code == 0)
      let text = try fixture.text("out.jsonl")
      let again = try score("out.jsonl")
      #expect(again.code == 64 && again.errors.contains("out.jsonl is there already: name another place, or add"))
      try fixture.write("out.jsonl", "others")
      #expect(try score("out.jsonl", "--overwrite").code == 0)
      #expect(try fixture.text("out.jsonl") == text)
      for name in ["-", "/dev/stdout", "/dev/fd/1"] { #expect(try score(name).output == text) }
      #expect(try score("/dev/null").code == 0)
      var status = stat()
      #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
      #expect(mkfifo(fixture.path("pipe"), 0o600) == 0)
      let reading = try Job(
        ["sh", "-c", "cat pipe & \(Job.program) \"$@\"; wait", "sh"] + Writer.score.arguments("pipe"), in: fixture)
      #expect(reading.wait().output == text)
      // Beside an adapter, a new file is welcome.
      #expect(try score("adapter/scores.jsonl").code == 0)
    }

    @Test func `an export replaces an export and nothing else`() throws {
      let fixture = try fixture()
      func export(_ writer: Writer, _ more: String...) throws -> ProcessResult {
        try Job([Job.program] + writer.arguments("out") + more, in: fixture).wait()
      }
      #expect(try export(.merged).code == 0)
      let refused = try export(.merged)
      #expect(refused.code == 64 && refused.errors.contains("an earlier export is there; name another place, or add"))
      #expect(try export(.adapter, "--overwrite").code == 0)
      let names = try fixture.names("out")
      #expect(names.contains("adapter_model.safetensors") && !names.contains("model.safetensors"))
      let spoils: [@Sendable (RunFixture) throws -> Void] = [
        { try $0.write("out/notes", "mine") }, { try $0.makeDirectory("out/notes") },
        { try $0.link("out/notes", to: "mine.txt") },
      ]
      for spoil in spoils {
        try spoil(fixture)
        try requireRefusal(fixture, .merged, "out", says: "nothing proves that Shoal wrote notes in it")
        try FileManager.default.removeItem(atPath: fixture.path("out/notes"))
      }
      let whole = try fixture.text("out/adapter_config.json")
      try fixture.write("out/adapter_config.json", "{}")
      try requireRefusal(fixture, .merged, "out", says: "nothing proves that Shoal wrote adapter_config.json in it")
      try fixture.write("out/adapter_config.json", whole)
      #expect(try export(.merged, "--overwrite").code == 0)
      #expect(try !fixture.names().contains { $0.contains(".tmp") })
    }

    @Test func `pairs replace pairs that are as they were written`() throws {
      let fixture = try fixture()
      func prepare(_ more: String...) throws -> ProcessResult {
        try Job([Job.program] + Writer.pairs.arguments("data") + more, in: fixture).wait()
      }
      #expect(try prepare().code == 0)
      let before = try fixture.snapshot("data")
      #expect(try prepare("--overwrite").code == 0)
      #expect(try fixture.snapshot("data") == before)
      try fixture.write("data/notes.txt", "mine")
      #expect(try prepare("--overwrite").code == 0)
      #expect(try fixture.text("data/notes.txt") == "mine")
      try fixture.write("data/train.jsonl", "sorted out by hand")
      try requireRefusal(fixture, .pairs, "data", says: "data/train.jsonl")
    }
  }
}
