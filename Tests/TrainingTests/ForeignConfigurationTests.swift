import Checkpoints
import Corpus
import Foundation
import Model
import TestSupport
import Testing
import Training

/// Tests/Fixtures/foreign: files as TRL's and LLaMA-Factory's users write them.
@Suite struct ForeignConfigurationTests {
  private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/foreign").path

  private static func files(_ trainer: ForeignConfiguration.Trainer) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/\(trainer.rawValue)")) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted()
  }

  private static func translation(
    _ trainer: ForeignConfiguration.Trainer, _ name: String
  ) throws -> (ForeignConfiguration, RunConfiguration) {
    let foreign = try ForeignConfiguration(path: "\(directory)/\(trainer.rawValue)/\(name)", of: trainer)
    return (foreign, try configuration(foreign.yaml))
  }

  @Test(arguments: ForeignConfiguration.Trainer.allCases)
  func `every translation is a configuration, with all defaults that matter`(
    _ trainer: ForeignConfiguration.Trainer
  ) throws {
    let files = Self.files(trainer)
    #expect(files.count >= 6)
    for name in files {
      let (foreign, run) = try Self.translation(trainer, name)
      #expect(run.ignoredKeys.allSatisfy { $0.hasPrefix("optimizer: ") }, "\(name): \(run.ignoredKeys)")
      #expect(run.notices.lines.isEmpty, "\(name): \(run.notices.lines)")
      #expect(foreign.yaml.hasSuffix(foreign.notices.map { "# \($0)\n" }.joined()), "they stand in comments too")
      #expect(!foreign.notices.contains { $0.contains("no key is known") }, "\(name): \(foreign.notices)")
    }
  }

  @Test func `TRL's DPO`() throws {
    let (foreign, run) = try Self.translation(.trl, "dpo_lora.yaml")
    #expect(run.objective == .dpo(DPOFamily([.init(.sigmoid), .init(.sft, weight: 0.2)], beta: 0.2)))
    #expect(run.batchSize == 16 && run.epochs == 2 && run.sequenceLength == 2048 && run.warmup == .ratio(0.1))
    #expect(run.excessLengthStrategy == .truncate && run.schedule == .cosine && run.learningRate == 5e-6)
    #expect(run.loraRank == 32 && run.loraAlpha == 64 && run.loraTargetModules.count == 7)
    #expect(run.loraDropout == 0 && run.testDatasets.map(\.split.text) == ["test"] && run.evaluations == .steps(50))
    #expect(
      foreign.notices == [
        "lora_dropout is 0: TRL turns dropout off in preference training",
        "line 13: `max_prompt_length: 1024` is not carried over: the prompt has no limit of its own",
        "the batch is that of the whole world here, however many ranks; there it is that of one device",
      ])
  }

  @Test func `TRL's defaults are not axolotl's`() throws {
    let (_, run) = try Self.translation(.trl, "dpo_qlora_defaults.yaml")
    #expect(run.weightStorage == .nf4 && run.learningRate == 1e-6 && run.batchSize == 8 && run.epochs == 3)
    #expect(run.schedule == .linear && run.warmup == .none && run.sequenceLength == 1024)
    #expect(run.loraRank == 16 && run.loraAlpha == 32 && run.saves == .steps(500) && run.testDatasets.isEmpty)
    let (_, text) = try Self.translation(.trl, "sft_text.yaml")
    #expect(text.learningRate == 2e-5 && text.maximumSteps == 100 && text.saves == .never && text.loraDropout == 0.05)
    #expect(text.datasets.first?.fields[.text] == "body")
    let (_, messages) = try Self.translation(.trl, "sft_messages.yaml")
    #expect(messages.datasets.map(\.paths) == [["data/one"], ["data/two.jsonl"]] && messages.heldOut == .share(0.05))
    #expect(messages.cosineMinimumRatio == 0.1 && messages.warmup == .ratio(0.03) && messages.saves == .perEpoch(1))
    #expect(messages.usesRSLoRA && !messages.trainsOnInputs && messages.seed == 7)
  }

  @Test func `bases in fewer bits`() throws {
    let scratch = try TemporaryDirectory()
    let common = "model_name_or_path: m\noutput_dir: o\nlearning_rate: 1e-4\n"
    for (bits, storage) in [(4, WeightStorage.nf4), (8, .int8)] {
      let texts: [(ForeignConfiguration.Trainer, String)] = [
        (.trl, "dataset_name: d\nuse_peft: true\nload_in_\(bits)bit: true\n"),
        (.llamafactory, "stage: sft\ndataset: d\ntemplate: qwen\nquantization_bit: \(bits)\n"),
      ]
      for (trainer, text) in texts {
        let path = try scratch.write("sft_\(trainer.rawValue)_\(bits).yaml", common + text)
        let run = try configuration(ForeignConfiguration(path: path, of: trainer).yaml)
        #expect(run.weightStorage == storage && run.ignoredKeys.isEmpty, "\(trainer) \(bits)")
      }
    }
  }

  @Test func `tools, system columns and OpenAI's form are carried over or told`() throws {
    let (foreign, run) = try Self.translation(.llamafactory, "sft_tools.yaml")
    #expect(
      run.datasets.map(\.type) == [.chatTemplate, .chatTemplate, try DatasetType(named: "alpaca_w_system")] && run.packs
    )
    #expect(run.datasets[0].fields[.tools] == "functions" && run.datasets[0].fields.role == "from")
    #expect(run.datasets[0].fields.roles?["tool"] == ["observation"])
    #expect(run.datasets[1].fields[.messages] == "messages" && run.datasets[1].fields.role == "role")
    #expect(run.datasets[1].fields.roles?["user"] == ["user"])
    #expect(run.datasets[2].fields[.system] == "sys")
    for text in [
      "the column instructions is not carried over", "messages of function_call", "`mix_strategy: interleave_over`",
    ] {
      #expect(foreign.notices.contains { $0.contains(text) }, "\(text)")
    }
    let (lengths, trl) = try Self.translation(.trl, "sft_lengths.yaml")
    #expect(trl.sequenceLength == 4096)
    #expect(lengths.notices.contains { $0.contains("`loss_type: dft`") })
    #expect(lengths.notices.contains { $0.contains("`chat_template_path: models/other`") })
  }

  @Test func `names of the hub keep their revision and subset`() throws {
    let (_, trl) = try Self.translation(.trl, "dpo_hub.yaml")
    #expect(trl.baseRevision == "v2" && trl.datasets.map(\.subset) == ["clean"])
    #expect(trl.datasets.map(\.split.text) == ["train_prefs"])
    #expect(trl.testDatasets.map(\.subset) == ["clean"] && trl.testDatasets.map(\.split.text) == ["test_prefs"])
    let (foreign, factory) = try Self.translation(.llamafactory, "dpo_hub.yaml")
    #expect(factory.baseRevision == "v2" && factory.chatTemplateVariables == [.init("enable_thinking", false)])
    let data = try #require(factory.datasets.first)
    #expect(data.paths == ["owner/pairs"] && data.subset == "clean" && data.type == nil)
    #expect(data.fields[.instruction] == "ask" && data.fields[.chosen] == "good" && data.fields[.input] == "input")
    #expect(foreign.notices.contains { $0.contains("the folder data is not carried over") })
    #expect(!foreign.notices.contains { $0.contains("history") })
  }

  @Test func `the command is known by its keys, or by the file's name`() throws {
    #expect(
      try Self.translation(.trl, "kto.yaml").1.objective
        == .kto(KTO(beta: 0.1, desirableWeight: 1, undesirableWeight: 1.33)))
    #expect(try Self.translation(.trl, "orpo.yaml").1.objective == .orpo(beta: 0.1))
    #expect(
      try Self.translation(.trl, "cpo_simpo.yaml").1.objective
        == .simpo(beta: 2.5, gamma: 1, labelSmoothing: 0, likelihoodWeight: 0))
  }

  @Test func `LLaMA-Factory's data sets are those of dataset_info.json`() throws {
    let (foreign, run) = try Self.translation(.llamafactory, "sft_lora.yaml")
    #expect(run.datasets.map(\.paths) == [["data/identity.json"], ["data/chats.jsonl"]])
    #expect(run.datasets.map(\.type) == [.alpaca, .chatTemplate])
    #expect(run.datasets.last?.fields[.messages] == "conversations" && run.datasets.last?.fields.role == "from")
    #expect(run.loraRank == 8 && run.loraAlpha == 16 && run.loraTargetModules.count == 7 && run.batchSize == 8)
    #expect(foreign.notices.contains { $0.hasPrefix("line 16: `max_samples: 1000` is not carried over") })
    let (_, own) = try Self.translation(.llamafactory, "sft_own_columns.yaml")
    #expect(own.weightStorage == .nf4 && own.trainsOnInputs && own.loraTargetModules == ["q_proj", "v_proj"])
    #expect(own.datasets.first?.fields[.instruction] == "ask" && own.loraPlus?.ratio == 16)
    let (_, text) = try Self.translation(.llamafactory, "pretrain.yaml")
    #expect(text.datasets.map(\.type) == [.completion] && !text.shufflesMergedDatasets && text.usesCurriculumSampling)
  }

  @Test func `LLaMA-Factory's preference losses`() throws {
    let (_, dpo) = try Self.translation(.llamafactory, "dpo.yaml")
    #expect(dpo.objective == .dpo(DPOFamily([.init(.sigmoid), .init(.sft, weight: 0.5)], beta: 0.1)))
    #expect(dpo.datasets.map(\.type) == [nil] && dpo.loraDropout == 0)
    let (_, simpo) = try Self.translation(.llamafactory, "simpo_chat.yaml")
    #expect(simpo.objective == .simpo(beta: 2, gamma: 0.6, labelSmoothing: 0, likelihoodWeight: 0))
    #expect(simpo.testDatasets.map(\.type) == [.chatTemplate] && simpo.evaluations == .perEpoch(1))
    let (_, kto) = try Self.translation(.llamafactory, "kto.yaml")
    #expect(kto.objective == .kto(KTO(beta: 0.1, desirableWeight: 1, undesirableWeight: 1.5)))
    let (foreign, orpo) = try Self.translation(.llamafactory, "orpo_no_info.yaml")
    #expect(orpo.objective == .orpo(beta: 0.05) && orpo.datasets.map(\.paths) == [["somewhere"]])
    #expect(foreign.notices.first?.hasPrefix("dataset_info.json is neither beside the file nor in /nowhere") == true)
  }
}
