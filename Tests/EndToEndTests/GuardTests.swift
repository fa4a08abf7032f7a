// Numbers that are not finite: all ranks skip the step, and a run that cannot recover ends with its reason.

import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
  @Suite struct GuardTests {
    /// A fixture whose model gives NaN for one record: the embedding of a character that only this record has is NaN.
    private static func poisoned(pairs: Int, record: Int) throws -> RunFixture {
      let fixture = try RunFixture(pairs: pairs)
      var lines = try fixture.text("pairs.jsonl").split(separator: "\n").map(String.init)
      lines[record] = lines[record].replacingOccurrences(of: "\", \"chosen\"", with: " ~\", \"chosen\"")
      try fixture.write("pairs.jsonl", lines.joined(separator: "\n") + "\n")
      try poison(try fixture.copy("model", as: "model"))
      // Without a reference pass, which would refuse the model before the first step.
      try fixture.replace(TinyFixture.path("model"), by: fixture.path("model"), in: "config.yaml")
      try fixture.replace("rl: dpo", by: "rl: orpo", in: "config.yaml")
      return fixture
    }

    private static func poison(_ model: String) throws {
      let vocabulary = try JSONValue.read(file: "\(model)/tokenizer.json")["model"]?["vocab"]
      let token = try #require(vocabulary?["~"]?.int)
      let file = try SafetensorsFile(path: "\(model)/model.safetensors")
      let embedding = try #require(file.tensors["model.embed_tokens.weight"])
      func tensor(_ name: String, _ entry: SafetensorsFile.Entry, _ bytes: [UInt8]) -> OutgoingTensor {
        OutgoingTensor(name: name, type: entry.type, shape: entry.shape) { try bytes.withUnsafeBytes($0) }
      }
      var tensors = try file.names.map { name in
        let entry = try #require(file.tensors[name])
        return tensor(name, entry, Array(file.bytes(of: entry)))
      }
      // A separate head; otherwise every logit would be poisoned.
      var rows = Array(file.bytes(of: embedding))
      tensors.append(tensor("lm_head.weight", embedding, rows))
      let width = embedding.shape[1]
      // The sign, exponent and top of the fraction of a bf16 NaN.
      rows.replaceSubrange(2 * (token * width + 3)..<2 * (token * width + 4), with: [0xC0, 0x7F])
      tensors.removeAll { $0.name == "model.embed_tokens.weight" }
      tensors.append(tensor("model.embed_tokens.weight", embedding, rows))
      try AtomicFile.write(to: "\(model)/model.safetensors") { try SafetensorsWriter.write(tensors, to: $0) }
      let text = try String(contentsOfFile: "\(model)/config.json", encoding: .utf8)
      let untied = text.replacingOccurrences(
        of: #"("tie_word_embeddings": )true"#, with: "$1false", options: .regularExpression)
      try #require(untied != text)
      try Data(untied.utf8).write(to: URL(fileURLWithPath: "\(model)/config.json"))
    }

    @Test func `a step without numbers is skipped everywhere alike`() throws {
      // 26 steps per epoch: the record returns too rarely to end the run.
      let fixture = try Self.poisoned(pairs: 130, record: 7)
      #expect(try fixture.train(World(threads: 1), "output_dir=whole").code == 0)
      let skipped = fixture.metrics("whole").filter { $0["skipped"]?.bool == true }
      #expect(skipped.count == 2)
      for line in skipped {
        #expect(line["skipped_examples"]?.array?.compactMap(\.int) == [7])
        #expect(line["skipped_reason"]?.string?.contains("record 7, first in embedding: row ") == true)
        #expect(line["loss"] == nil && line["grad_norm"] == nil && (line["learning_rate"]?.double ?? 0) > 0)
      }
      #expect(fixture.metrics("whole").compactMap { $0["step"]?.int } == Array(1...52))
      #expect(try JSONValue.parse(fixture.text("whole/run.json"))["skipped_steps"]?.int == 2)
      for ranks in 2...3 {
        let ending = try fixture.train(World(ranks: ranks, threads: 1), "output_dir=ranks-\(ranks)")
        #expect(ending.code == 0, "\(ending.errors)")
        let first = try #require(skipped.first?["step"]?.int)
        #expect(ending.errors.components(separatedBy: "warning: step \(first) is skipped").count == 2)
        #expect(try fixture.adapter("ranks-\(ranks)") == fixture.adapter("whole"), "\(ranks) ranks")
      }
      // Stopped between the two, on another number of ranks.
      let first = try #require(skipped.first?["step"]?.int)
      let job = try fixture.start(World(ranks: 2, threads: 1), ["save_steps=1"])
      try job.wait { fixture.metrics().count > first }
      job.send(SIGUSR1)
      #expect(job.wait().code == 75)
      #expect(try fixture.train(World(threads: 1)).code == 0)
      #expect(try fixture.adapter() == fixture.adapter("whole"))
      #expect(try JSONValue.parse(fixture.text("run/run.json"))["skipped_steps"]?.int == 2)
      // A coupled loss detects it before it computes gradients.
      let coupled = ["rl=dpo", "dpo_loss_type=bco_pair", "precompute_ref_log_probs=false"]
      for ranks in [1, 2] {
        let ending = try fixture.start(World(ranks: ranks, threads: 1), coupled + ["output_dir=coupled-\(ranks)"])
          .wait()
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.errors.contains("is skipped: a value is not finite, with record 7, first in embedding"))
      }
      #expect(try fixture.adapter("coupled-1") == fixture.adapter("coupled-2"))
    }

    @Test(arguments: [World.alone, World(ranks: 2, threads: 1)])
    func `three in twenty end the run`(world: World) throws {
      let fixture = try Self.poisoned(pairs: 13, record: 7)
      let ending = try fixture.train(world, "num_epochs=4")
      #expect(ending.code == 1, "\(ending.errors)")
      let end = "3 of the last 20 steps were skipped"
      #expect(ending.errors.components(separatedBy: end).count == 2, "\(ending.errors)")
      let last = try #require(fixture.lastCheckpoint())
      #expect(ending.errors.contains("the last good checkpoint is run/checkpoint-\(last)"))
      #expect(fixture.metrics().last?["step"]?.int == last)
      // Once more, and the next skipped step ends it again.
      let again = try fixture.train(world, "num_epochs=4")
      #expect(again.code == 1 && again.errors.contains("going on after step \(last)"), "\(again.errors)")
    }

    @Test func `a reference without numbers ends the run before it starts`() throws {
      let fixture = try Self.poisoned(pairs: 5, record: 3)
      let ending = try fixture.train(World(ranks: 2, threads: 1), "rl=dpo")
      #expect(ending.code == 1)
      let told = "the reference log-probs of record 3 (counted from 0) are not finite: embedding: row "
      #expect(ending.errors.components(separatedBy: told).count == 2, "\(ending.errors)")
    }

    @Test func `held out records without numbers are named`() throws {
      let fixture = try Self.poisoned(pairs: 6, record: 2)
      let ending = try fixture.train(.alone, "val_set_size=5", "max_steps=1")
      #expect(ending.code == 0, "\(ending.errors)")
      for step in [0, 1] {
        #expect(ending.errors.contains("warning: step \(step): no finite log-probs of held-out record 2"))
      }
    }

    @Test func `gradients out of range are skipped too`() throws {
      let fixture = try RunFixture(pairs: 5)
      let ending = try fixture.train(World(ranks: 2, threads: 1), "rl_beta=1e9", "num_epochs=9")
      #expect(ending.code == 1)
      #expect(
        ending.errors.contains(
          "exceeds the range of exact sums, with records 0, 1, 2, 3, 4, the largest entry in base"),
        "\(ending.errors)")
      #expect(ending.errors.contains("3 of the last 20 steps were skipped (1, 2, 3)"))
    }

    @Test func `an adapter without numbers is not saved`() throws {
      let fixture = try RunFixture(pairs: 5)
      let ending = try fixture.train(World(ranks: 2, threads: 1), "learning_rate=3e38", "save_steps=1", "num_epochs=9")
      #expect(ending.code == 1)
      #expect(ending.errors.components(separatedBy: "the trained weights are no longer finite").count == 2)
      #expect(fixture.lastCheckpoint() == nil)
    }

    /// A bit of one rank's memory flips.
    @Test func `ranks that disagree end the run`() throws {
      let fixture = try RunFixture(pairs: 5)
      // The learning rate is lost in rounding: A keeps its initial values, which a short run shows.
      let settings = ["learning_rate=1e-30", "lr_scheduler=constant"]
      #expect(try fixture.start(.alone, settings + ["output_dir=short", "max_steps=1"]).wait().code == 0)
      let file = try SafetensorsFile(path: fixture.path("short/adapter_model.safetensors"))
      let name = try #require(file.names.first { $0.contains("lora_A") })
      let pattern = Data(file.bytes(of: try #require(file.tensors[name])).prefix(64))

      let job = try fixture.start(World(ranks: 3, threads: 1), settings + ["max_steps=4000", "save_steps=4000"])
      try job.wait { fixture.steps().count >= 3 }
      let rank1 = try #require(
        try job.children.first { id in
          let environment = try String(contentsOfFile: "/proc/\(id)/environ", encoding: .utf8)
          return environment.split(separator: "\0").contains("OMPI_COMM_WORLD_RANK=1")
        })
      // A system may forbid access to another process.
      guard let flipped = Self.flip(pattern, in: rank1) else {
        job.send(SIGKILL)
        return
      }
      #expect(flipped > 0)
      let ending = job.wait()
      #expect(ending.code == 1, "\(ending.errors)")
      #expect(ending.errors.components(separatedBy: "must hold the same weights do not").count == 2)
      #expect(ending.errors.contains("on ranks 0, 2") && ending.errors.contains("on rank 1;"), "\(ending.errors)")
      #expect(fixture.lastCheckpoint() == nil)
    }

    /// Flips a bit at every place of the bytes in a process's memory; nil if that is not allowed.
    private static func flip(_ pattern: Data, in process: Int32) -> Int? {
      let memory = open("/proc/\(process)/mem", O_RDWR)
      // Uses a handle: Foundation's shorter functions read only 4 KiB of a file that reports size 0.
      guard memory >= 0, let handle = FileHandle(forReadingAtPath: "/proc/\(process)/maps") else { return nil }
      let maps = String(decoding: handle.readDataToEndOfFile(), as: UTF8.self)
      defer { close(memory) }
      var count = 0
      for line in maps.split(separator: "\n") where line.contains(" rw-p ") {
        let bounds = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt64($0, radix: 16) }
        guard bounds.count == 2 else { continue }
        let chunk = 1 << 20
        var start = bounds[0]
        while start < bounds[1] {
          var bytes = Data(count: Int(min(UInt64(chunk + pattern.count), bounds[1] - start)))
          let read = bytes.withUnsafeMutableBytes { pread(memory, $0.baseAddress, $0.count, off_t(start)) }
          if read > pattern.count, let found = bytes.prefix(read).range(of: pattern) {
            let flipped = [pattern[pattern.startIndex + 2] ^ 1]
            if pwrite(memory, flipped, 1, off_t(start) + off_t(found.lowerBound) + 2) == 1 { count += 1 }
          }
          start += UInt64(chunk)
        }
      }
      return count
    }
  }
}
