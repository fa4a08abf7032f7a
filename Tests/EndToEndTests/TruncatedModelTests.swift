// A model file that is truncated while it is mapped: the kernel's signal becomes a message and an exit code.

import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct TruncatedModelTests {
    private static let demo = "\(Repository.path)/demo"

    @Test func `while a command runs`() throws {
      let fixture = try RunFixture()
      let model = fixture.path("model")
      try FileManager.default.copyItem(atPath: "\(Self.demo)/model", toPath: model)
      // The model is mapped before the document is read, and the program that reads the document truncates the model.
      try fixture.write("document.pdf", "%PDF")
      try FileManager.default.createDirectory(atPath: fixture.path("bin"), withIntermediateDirectories: false)
      try fixture.write("bin/pdftotext", "#!/bin/sh\ntruncate -s 4096 model/model.safetensors\necho A text.\n")
      #expect(chmod(fixture.path("bin/pdftotext"), 0o700) == 0)
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      let job = try Job(
        [
          Job.program, "summarize", "--model", model, "--prompt", "\(Self.demo)/summarize.txt",
          fixture.path("document.pdf"),
        ], in: fixture, environment: ["PATH": fixture.path("bin") + ":" + path])
      try Self.check(job.wait(), "\(model)/model.safetensors")
    }

    @Test(arguments: [World.alone, World(ranks: 2, threads: 1)])
    func `while a run trains`(world: World) throws {
      let fixture = try RunFixture()
      let model = try fixture.copy("model", as: "model")
      let job = try fixture.start(world, ["base_model=\(model)", "max_steps=5000"])
      try job.wait { fixture.steps().count >= 3 }
      #expect(truncate("\(model)/model.safetensors", 4096) == 0)
      try Self.check(job.wait(), "\(model)/model.safetensors", world)
    }

    private static func check(_ ending: ProcessResult, _ path: String, _ world: World = .alone) throws {
      #expect(ending.code == 1, "\(ending.errors)")
      let line = try #require(
        ending.errors.split(separator: "\n").first { $0.contains("was cut short while it was in use") },
        "\(ending.errors)")
      let prefixes = world.ranks.map { (0..<$0).map { "[rank \($0)] " } } ?? ["shoal: "]
      #expect(prefixes.contains { line.hasPrefix("\($0)\(path): ") }, "\(line)")
      #expect(line.hasSuffix("is gone; restore the file and start again"), "\(line)")
    }
  }
}
