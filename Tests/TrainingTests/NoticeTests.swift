import Corpus
import Testing
import Training

/// What a file leaves out, where axolotl would do something else.
@Suite struct NoticeTests {
  private static let head = "left to defaults that are not axolotl's (in brackets): "

  @Test func `defaults that are not axolotl's are told in one line`() throws {
    let lines = try minimal().notices.lines
    #expect(
      lines == [
        Self.head + "no warm-up (3 % of the steps, at most 100: `warmup_ratio: 0.03`); `sequence_len` 2048 (512)"
      ])
  }

  @Test func `a file that says it all is silent`() throws {
    let all = ["warmup_steps=0", "sequence_len=1024"]
    let run = try configuration(minimalYAML, overrides: all)
    #expect(run.notices.lines.isEmpty && run.warmup == .none)
    #expect(try configuration(run.resolvedYAML).notices.lines.isEmpty)
    #expect(try minimal(with: "warmup_ratio=0.1").notices.lines.first?.contains("warm-up") == false)
    #expect(try minimal(with: "lr_scheduler=constant").notices.lines.first?.contains("warm-up") == false)
  }

  @Test func `SimPO is without the likelihood that TRL adds`() throws {
    #expect(try minimal(with: "rl=simpo").notices.lines.first?.hasSuffix("`rl: simpo` (`cpo_alpha: 1.0`)") == true)
    #expect(try minimal(with: "rl=simpo", "cpo_alpha=0").notices.lines.first?.contains("cpo_alpha") == false)
  }

  @Test func `without a directory for its files a run has axolotl's`() throws {
    let run = try configuration(minimalYAML.replacing("output_dir: out\n", with: ""))
    #expect(run.outputDirectory == "./model-out")
    #expect(run.notices.lines.last == "`output_dir` is not given: the run's files go to ./model-out")
    #expect(
      try configuration(minimalYAML.replacing("output_dir: out", with: "output_dir:")).outputDirectory == "./model-out")
  }

  @Test func `texts of a stream are divided, not cut`() throws {
    let yaml = minimalYAML.replacing("rl: dpo\n", with: "").replacing("datasets:", with: "pretraining_dataset:")
    let lines = try configuration(yaml).notices.lines
    #expect(lines.contains { $0.hasPrefix("`pretraining_dataset` is read as `type: completion`") }, "\(lines)")
  }

  @Test func `notices are no part of a configuration`() throws {
    let run = try minimal()
    #expect(try configuration(run.resolvedYAML) == run)
  }
}
