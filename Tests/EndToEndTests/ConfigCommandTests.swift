import Foundation
import TestSupport
import Testing

/// `shoal config` as a command: what goes to stdout, what to stderr, and the exit code.
@Suite struct ConfigCommandTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path

  @Test(arguments: ["trl/dpo_lora.yaml", "llamafactory/sft_lora.yaml"])
  func `a translation is a configuration, and its notices are on stderr`(_ name: String) throws {
    let fixture = try RunFixture()
    let trainer = String(name.prefix { $0 != "/" })
    let translated = try fixture.shoal("config", "--from", trainer, "\(Self.fixtures)/foreign/\(name)")
    #expect(translated.code == 0 && translated.errors.contains("is not carried over"), "\(translated.errors)")
    try fixture.write("own.yaml", translated.output)
    let listed = try fixture.shoal("config", fixture.path("own.yaml"))
    #expect(listed.code == 0 && listed.output.contains("learning_rate: "), "\(listed.errors)")
  }

  @Test func `what has no form here is the user's mistake`() throws {
    let fixture = try RunFixture()
    try fixture.write("ppo.yaml", "model_name_or_path: m\nstage: ppo\n")
    let ending = try fixture.shoal("config", "--from", "llamafactory", fixture.path("ppo.yaml"))
    #expect(ending.code == 64 && ending.output.isEmpty)
    #expect(ending.errors.contains("line 2: `stage: ppo` has no form here: expected sft, dpo, kto or pt"))
  }

  @Test func `notices of a file are on stderr`() throws {
    let fixture = try RunFixture()
    let yaml = "base_model: m\nadapter: lora\nlearning_rate: 1\nseed: 1\nseed: 2\ndatasets: [{path: d}]\nbf16: true\n"
    try fixture.write("run.yaml", yaml)
    let ending = try fixture.shoal("config", fixture.path("run.yaml"))
    #expect(ending.code == 0 && ending.output.contains("seed: 2"))
    for notice in [
      "line 4: `seed` is given again at line 5, which counts", "no warm-up (3 % of the steps, at most 100",
      "the run's files go to ./model-out", "without effect here: bf16",
    ] { #expect(ending.errors.contains(notice), "\(ending.errors)") }
  }
}

/// Keys of axolotl that choose examples, as a run reports them.
@Suite struct ChosenExamplesTests {
  @Test func `an example that is there already is left out`() throws {
    let fixture = try RunFixture(pairs: 4)
    try fixture.write("pairs.jsonl", RunFixture.lines(4) + RunFixture.lines(3))
    try fixture.write("held.jsonl", RunFixture.lines(6))
    let overrides = ["test_datasets.0.path=held.jsonl", "--show-examples", "1", "dataset_exact_deduplication=true"]
    let ending = try fixture.start(.alone, overrides).wait()
    #expect(ending.code == 0, "\(ending.errors)")
    // Three of the training data, and four of the held-out data that are trained on.
    #expect(ending.errors.contains("7 left out, there already (dataset_exact_deduplication)"), "\(ending.errors)")
    let none = try fixture.train(.alone, "test_datasets.0.path=pairs.jsonl", "dataset_exact_deduplication=true")
    #expect(none.code == 64 && none.errors.contains("no record is left to train on: 10 left out"), "\(none.errors)")
  }

  @Test func `short examples are left out of supervised fine-tuning`() throws {
    let fixture = try RunFixture(pairs: 2)
    let texts = ["a b", String(repeating: "tide and stone ", count: 20)].map { #"{"text": "\#($0)"}"# + "\n" }.joined()
    try fixture.write("pairs.jsonl", texts)
    let ending = try fixture.train(.alone, "rl=", "min_sample_len=10", "--show-examples", "1")
    #expect(
      ending.code == 0 && ending.errors.contains("1 left out, shorter than min_sample_len 10"), "\(ending.errors)")
    let preference = try RunFixture(pairs: 2).train(.alone, "min_sample_len=100000", "--show-examples", "1")
    #expect(preference.code == 0 && preference.errors.contains("without effect here: min_sample_len"))
  }

  /// 3 examples of 118 tokens at most; the cut is told, and it is the end that goes.
  @Test func `the end of what is too long is cut off`() throws {
    let fixture = try RunFixture(pairs: 3)
    let ending = try fixture.train(
      .alone, "excess_length_strategy=truncate", "sequence_len=100", "--show-examples", "3")
    #expect(ending.code == 0 && ending.errors.contains("cut to sequence_len 100, at the end: "), "\(ending.errors)")
    #expect(ending.errors.contains("the longest example 100"))
    let usual = try fixture.train(.alone, "sequence_len=100", "--show-examples", "1")
    #expect(usual.errors.contains("longer examples lose the middle of their prompt, where axolotl leaves them out"))
  }
}
