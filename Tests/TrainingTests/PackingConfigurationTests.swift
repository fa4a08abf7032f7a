import Corpus
import Testing
import Training

/// The keys of packed samples.
@Suite struct PackingConfigurationTests {
  private func packed(_ lines: String...) throws(ConfigurationError) -> RunConfiguration {
    try configuration(minimalYAML, overrides: ["rl=null", "sample_packing=true"] + lines)
  }

  @Test func `axolotl's defaults`() throws {
    let run = try packed("micro_batch_size=2", "gradient_accumulation_steps=4", "sample_packing_bin_size=")
    #expect(run.packs && run.microBatchSize == 2 && run.batchSize == 8)
    #expect(run.packing == SamplePacking())
    #expect(run.packing.groupSize == 100_000 && run.packing.mostExamplesPerRow == 200 && run.packing.usesRealBatches)
    #expect(run.ignoredKeys.isEmpty)
  }

  @Test func `every key is written and read back`() throws {
    let run = try packed(
      "micro_batch_size=3", "gradient_accumulation_steps=2", "sample_packing_group_size=50",
      "sample_packing_bin_size=7", "sample_packing_sequentially=true", "sample_packing_eff_est=0.95",
      "multipack_real_batches=false", "dataloader_drop_last=true")
    #expect(run.packing.groupSize == 50 && run.packing.mostExamplesPerRow == 7 && run.packing.isSequential)
    #expect(run.packing.efficiencyEstimate == 0.95 && !run.packing.usesRealBatches && run.packing.dropsLastStep)
    #expect(try configuration(run.resolvedYAML) == run)
    let other = try packed("batch_size=6", "sample_packing_group_size=50")
    #expect(run.differences(from: other).contains { $0.hasPrefix("micro_batch_size: 1 in the checkpoint, 3 now") })
  }

  @Test(arguments: [
    ("flash_attention=true", false), ("flash_attention=false", true), ("sdp_attention=true", true),
    ("xformers_attention=true", false), ("flex_attention='true'", false),
    ("attn_implementation=flash_attention_2", false),
    ("attn_implementation=sdpa", true), ("attn_implementation=kernels-community/flash-attn3", false),
    ("eval_sample_packing=false", true),
  ])
  func `one long row for a kernel that axolotl packs for`(line: String, real: Bool) throws {
    #expect(try packed(line, "micro_batch_size=2").packing.usesRealBatches == real)
    #expect(try packed(line, "multipack_real_batches=\(!real)").packing.usesRealBatches == !real)
    let run = try packed(line)
    #expect(try configuration(run.resolvedYAML).packing == run.packing)
  }

  @Test func `a kernel that makes rows long is not called without effect`() throws {
    let lines = ["rl=null", "sample_packing=true", "flash_attention=true", "bf16=true"]
    #expect(try configuration(minimalYAML, overrides: lines + ["micro_batch_size=2"]).ignoredKeys == ["bf16"])
    #expect(try configuration(minimalYAML, overrides: lines).ignoredKeys == ["flash_attention", "bf16"])
    #expect(
      try configuration(minimalYAML, overrides: lines.dropFirst() + ["micro_batch_size=2"]).ignoredKeys.count == 3)
  }

  @Test(arguments: [
    (["batch_size=12"], 1), (["batch_size=12", "gradient_accumulation_steps=4"], 3),
    (["batch_size=12", "micro_batch_size=4"], 4), (["micro_batch_size=4"], 4), (["gradient_accumulation_steps=4"], 1),
  ])
  func `the rows of a batch`(lines: [String], rows: Int) throws {
    let run = try configuration(
      minimalYAML, overrides: ["rl=null", "sample_packing=true"] + lines)
    #expect(run.microBatchSize == rows)
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `preference data are never packed, and the notice says so`() throws {
    let run = try minimal(with: "sample_packing=true", "sample_packing_bin_size=7", "micro_batch_size=2")
    #expect(!run.packs && run.packing == SamplePacking() && run.microBatchSize == 1 && run.batchSize == 2)
    #expect(run.ignoredKeys.contains("sample_packing (preference data are never packed)"))
    #expect(run.ignoredKeys.contains("sample_packing_bin_size"))
    #expect(run.differences(from: try minimal(with: "batch_size=2")).isEmpty)
  }

  @Test(arguments: ["false", "null", "''"])
  func `off is off`(value: String) throws {
    let run = try configuration(
      minimalYAML, overrides: ["rl=null", "sample_packing=\(value)", "sample_packing_group_size=9"])
    #expect(!run.packs && run.packing == SamplePacking())
    #expect(run.ignoredKeys == ["sample_packing_group_size"])
  }

  @Test func `what cannot be packed is refused`() {
    let found = problems(
      minimalYAML,
      overrides: [
        "rl=null", "sample_packing=maybe", "sample_packing_group_size=0", "sample_packing_bin_size=-1",
        "sample_packing_eff_est=0",
      ])
    #expect(
      found == [
        "override sample_packing=maybe: `sample_packing`: expected true or false, found the text \"maybe\"",
        "override sample_packing_group_size=0: `sample_packing_group_size`: expected a whole number of at least 1, found 0",
        "override sample_packing_bin_size=-1: `sample_packing_bin_size`: expected a whole number of at least 0, found -1",
        "override sample_packing_eff_est=0: `sample_packing_eff_est`: expected a number greater than 0, found 0",
      ])
  }

  @Test func `a schedule takes rows`() throws {
    let run = try packed(
      "sequence_len=10", "micro_batch_size=2", "gradient_accumulation_steps=2", "shuffle_merged_datasets=false",
      "num_epochs=3")
    // Eight rows: four batches of two.
    let schedule = StepSchedule(run, examples: 9, lengths: [6, 6, 4, 6, 6, 6, 6, 6, 9])
    #expect(schedule.plan.stepsPerEpoch == 2 && schedule.totalSteps == 6)
    #expect(schedule.plan.positions(step: 0) == [0, 2, 1, 3, 4])
    #expect(schedule.plan.packedRows?.rowsPerStep == 4 && schedule.plan.packedRows?.rows == 8)
  }
}
