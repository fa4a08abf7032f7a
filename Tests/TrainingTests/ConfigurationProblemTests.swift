import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing
import Training

@Suite struct ConfigurationProblemTests {
  @Test func `all problems come at once with their lines`() {
    let yaml = """
      base_model: /models/qwen
      adapter: lora
      rl: ppo
      lora_rank: 16

      learning_rate: fast
      output_dir: 7
      lora_dropout: 1.0
      datasets:
        - path: a.jsonl
        - pth: b.jsonl
          type: chatml.intle
      num_epochs: [1]
      """
    #expect(
      problems(yaml, overrides: ["seed=x", "lr=1"]) == [
        "line 3: `rl`: expected dpo or ipo or orpo or simpo or cpo or kto, found the text \"ppo\"",
        "line 4: unknown key `lora_rank`; did you mean `lora_r`?",
        "line 6: `learning_rate`: expected a number greater than 0, found the text \"fast\"",
        "line 7: `output_dir`: expected a path (quotes make text of a number), found 7",
        "line 8: `lora_dropout`: expected a number from 0 to less than 1, found 1.0",
        "line 11: unknown key `datasets.1.pth`; did you mean `path`?",
        "line 11: missing key `datasets.1.path`: expected a file, a directory or a list of them",
        "line 12: `datasets.1.type`: type \"chatml.intle\" is unknown (did you mean \"chatml.intel\"?): docs/data.md has "
          + "every type; none is needed for TRL's formats, which are found from the fields",
        "line 13: `num_epochs`: expected a number greater than 0, found a list",
        "override lr=1: unknown key `lr`; did you mean `learning_rate`?",
        "override seed=x: `seed`: expected a whole number of at least 0, found the text \"x\"",
      ])
  }

  @Test func `an empty required key has a line`() {
    #expect(
      problems(minimalYAML.replacing("5e-5", with: "")) == [
        "line 4: `learning_rate`: expected a number greater than 0, found nothing"
      ])
  }

  @Test func `missing keys are named`() {
    #expect(
      problems("seed: 1") == [
        "missing key `base_model`: expected a directory with config.json and safetensors files",
        "missing key `datasets`: expected a list of data sets, each with a path",
        "missing key `learning_rate`: expected a number greater than 0",
      ])
    #expect(problems("") == problems("# nothing\n"))
    #expect(problems("") == problems("seed: 1"))
  }

  @Test func `DoRA and a start from the base exclude each other`() {
    #expect(problems(minimalYAML, overrides: ["peft_use_dora=true"]).isEmpty)
    for start in ["pissa", "pissa_niter_4", "olora"] {
      let found = problems(minimalYAML, overrides: ["peft_use_dora=true", "peft_init_lora_weights=\(start)"])
      #expect(found.count == 1 && found[0].contains("leave one out"))
    }
    for wrong in ["pissa_niter_", "pissa_niter_x", "pissa_niter_-1", "pissa_niter_1001", "loftq", "eva"] {
      #expect(problems(minimalYAML, overrides: ["peft_init_lora_weights=\(wrong)"]).count == 1, "\(wrong)")
    }
  }

  @Test(
    arguments: [
      "lisa_n_layers=2", "lora_fan_in_fan_out=true", "peft_trainable_token_indices=[1]",
    ])
  func `what is refused says why, and what to do`(override: String) throws {
    let found = problems(minimalYAML, overrides: [override])
    #expect(found.count == 1)
    let text = try #require(found.first)
    let key = try #require(override.split(separator: "=").first)
    #expect(text.hasPrefix("override \(override): `\(key)`: expected nothing"))
    #expect(text.wholeMatch(of: /.+, found [^:]+: [^;]+; .+/) != nil, "\(text)")
  }

  @Test(
    arguments: [
      "load_in_4bit=false", "load_in_8bit=no", "rl_adapter_ref_model=false", "train_on_inputs=false",
      "early_stopping_patience=", "peft_init_lora_weights=true", "lora_fan_in_fan_out=",
      "dpo_loss_type=sigmoid", "optimizer=adamw_hf", "datasets.0.type=", "neftune_noise_alpha=",
      "load_best_model_at_end=false", "special_tokens={}", "special_tokens.unk_token=<unk>", "tokens=[]",
      "plugins=[]", "rl=''", "save_steps=''", "neftune_noise_alpha=''", "gptq_groupsize=", "save_first_step=false",
      "special_tokens.pad_token=<|endoftext|>",
    ])
  func `what is off is accepted`(override: String) { #expect(problems(minimalYAML, overrides: [override]).isEmpty) }

  @Test(
    arguments: [
      "learning_rate=0", "learning_rate=-1e-4", "learning_rate='5e-5x'", "learning_rate=.inf",
      "learning_rate=.nan", "learning_rate=true", "lora_r=0", "lora_r=8.5", "lora_alpha=0",
      "lora_dropout=-0.1", "lora_dropout=1", "rl_beta=0", "dpo_label_smoothing=0.5", "num_epochs=0",
      "max_steps=-2", "max_steps=1.5", "seed=-1", "warmup_steps=-1", "warmup_ratio=1.5", "adam_beta1=1",
      "adam_beta2=1", "adam_epsilon=0", "weight_decay=-1", "max_grad_norm=-1", "batch_size=0",
      "sequence_len=0", "sequence_len=99999999999999999999", "logging_steps=-1", "save_total_limit=-2",
      "eval_steps=1.5", "save_steps=-0.5", "warmup_steps=1.5", "lora_alpha=-1", "cosine_min_lr_ratio=2",
      "peft_use_rslora=1", "seed=0x10", "seed=1:30",
      "shuffle_merged_datasets=maybe", "lora_target_modules=[]", "lora_target_modules=[q_proj, 1]",
      "lora_target_modules=lm_head", "lora_fan_in_fan_out=true", "excess_length_strategy=shorten",
      "chat_template=llama3", "optimizer=adafactor", "rl=true", "dpo_loss_type=sigmoyd",
      "peft_init_lora_weights=false", "datasets=[]", "datasets=x.jsonl", "datasets.0=x.jsonl",
      "datasets.0.path=", "datasets.0.path=3", "datasets.0.data_files=b.jsonl",
      "datasets.0.ds_type=arrow", "datasets.0.split=train[1]", "datasets.0.shards_idx=1", "base_model=''",
      "default_system_message=[a]",
      "neftune_noise_alpha=-5", "plugins=[x]", "output_dir={a: b}", "dpo_loss_type=[sigmoid, sigmoyd]",
      "dpo_loss_type=exo_pair", "dpo_loss_weights=[1.0, 0.5]", "dpo_loss_weights=1", "dpo_loss_weights=[a]",
      "rpo_alpha=-1", "rl=[dpo]", "rl=kto", "loraplus_lr_ratio=0", "loraplus_weight_decay=-1",
      "lr_scheduler=polynomial", "early_stopping_patience=-2", "kto_desirable_weight=-1", "simpo_gamma=-1",
      "optimizer=galore_adamw_8bit", "train_on_inputs=2", "lr_scheduler=cosine_with_min_lr",
      "lr_scheduler_kwargs.num_decay_steps=3", "lr_scheduler_kwargs.min_lr=1",
      "datasets.0.special_tokens_in_text=yes", "plugins=[axolotl.integrations.spectrum.SpectrumPlugin]",
    ])
  func `a value that does not fit is refused`(override: String) {
    let found = problems(minimalYAML, overrides: [override])
    #expect(found.count == 1)
    #expect(found.allSatisfy { $0.hasPrefix("override \(override): `") })
  }

  @Test func `keys that exclude each other are refused together`() {
    #expect(problems(minimalYAML, overrides: ["warmup_steps=5", "warmup_ratio=0.1"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["warmup_steps=0", "warmup_ratio=0.1"]).isEmpty)
    #expect(problems(minimalYAML, overrides: ["lr_scheduler=linear", "cosine_min_lr_ratio=0.1"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["rl=ipo", "dpo_loss_type=hinge"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["adapter=qlora", "load_in_4bit=false"]).count == 1)
    for (bits, kind) in [("load_in_4bit=true", "load_in_4bit: true"), ("adapter=qlora", "adapter: qlora")] {
      let found = problems(minimalYAML, overrides: [bits, "load_in_8bit=true"])
      #expect(found.count == 1 && found[0].hasPrefix("override load_in_8bit=true: "), "\(found)")
      #expect(found.first?.contains("found `\(kind)`, which is one in 4 bits: give one") == true, "\(found)")
    }
    #expect(problems(minimalYAML, overrides: ["adapter=qlora", "load_in_8bit=false"]).isEmpty)
    for (key, kind) in [("load_in_4bit", "qlora"), ("load_in_8bit", "lora")] {
      let found = problems(minimalYAML, overrides: ["adapter=", "\(key)=true"])
      #expect(found.contains { $0.contains("`\(key): true` needs `adapter: \(kind)`") }, "\(found)")
    }
    #expect(problems(minimalYAML, overrides: ["lr_scheduler=warmup_stable_decay"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["early_stopping_patience=2"]).count == 2)
  }

  @Test func `unknown keys suggest the nearest one`() {
    let expected = [
      "lora_alhpa": "lora_alpha", "learningrate": "learning_rate",
      "per_device_train_batch_size":
        "micro_batch_size", "beta": "rl_beta", "num_epoch": "num_epochs", "dataset": "datasets",
      "target_modules": "lora_target_modules",
    ]
    for (key, nearest) in expected {
      #expect(
        problems(minimalYAML, overrides: ["\(key)=1"])
          == ["override \(key)=1: unknown key `\(key)`; did you mean `\(nearest)`?"])
    }
    #expect(
      problems(minimalYAML, overrides: ["zzzzzzzz=1"])
        == ["override zzzzzzzz=1: unknown key `zzzzzzzz`"])
  }

  @Test func `text that is not one YAML mapping is refused with its line`() {
    #expect(problems("a: 1\nb: [1, 2\nc: 3\n").first?.hasPrefix("line 3: not YAML: ") == true)
    #expect(problems("seed: 1\n---\nseed: 2\n").first?.contains("another document") == true)
    #expect(problems("- 1\n") == ["line 1: expected a mapping of keys, found a list"])
    #expect(problems("seed: *nowhere\n").first?.hasPrefix("line 1: not YAML: ") == true)
    #expect(problems("? [a]\n: 1\n").first?.contains("expected a key") == true)
    #expect(problems("a: \u{0}\n").first?.contains("not YAML") == true)
    #expect(problems(String(repeating: "[", count: 100_000)).count == 1)
    #expect(problems(String(repeating: "- ", count: 100_000)).count == 1)
  }

  @Test func `of a key that stands twice the last counts, and both lines are told`() throws {
    let run = try configuration("seed: many\n" + minimalYAML + "seed: 7\ntest_datasets:\n  - path: a\n    path: b\n")
    #expect(run.seed == 7 && run.testDatasets.map(\.paths) == [["b"]])
    #expect(
      run.notices.lines.filter { $0.hasPrefix("line") } == [
        "line 1: `seed` is given again at line 9, which counts",
        "line 11: `test_datasets.0.path` is given again at line 12, which counts",
      ])
    let problems = problems("seed: 1\nseed: many\nzzzz: 1\n" + minimalYAML)
    #expect(problems.map { $0.prefix(14) } == ["line 2: `seed`", "line 3: unknow"], "the others are told too")
  }

  @Test func `aliases that unfold without end are refused`() {
    var yaml = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n"
    for level in 1..<9 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 8).joined(separator: ", ")
      yaml += "a\(level): &a\(level) [\(aliases)]\n"
    }
    #expect(problems(yaml).first?.contains("expected at most 10000 values") == true)
  }

  @Test(.timeLimit(.minutes(1))) func `aliases in a key are refused`() {
    var yaml = "a0: &a0 [1, 1]\n"
    for level in 1..<40 { yaml += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    #expect(problems(yaml + "? *a39\n: 1\n").first?.contains("expected at most 10000 values") == true)
    #expect(problems("a: &a [1]\n? *a\n: 1\n").first?.hasPrefix("line 2: expected a key, found") == true)
  }

  @Test(.timeLimit(.minutes(1))) func `what is too long or too large is told`() throws {
    let long = String(repeating: "x", count: 200_000)
    #expect(problems("? \(long)\n: 1\n").contains { $0.hasSuffix("xxx`") })
    for key in ["micro_batch_size", "gradient_accumulation_steps", "evals_per_epoch", "max_steps", "sequence_len"] {
      let found = problems(minimalYAML, overrides: ["\(key)=9223372036854775807"])
      #expect(found.contains { $0.contains("`\(key)`: expected a whole number of at most 1000000000") }, "\(found)")
    }
    #expect(problems(minimalYAML, overrides: ["lora_r=5000"]).first?.contains("at most 4096") == true)
    #expect(try minimal(with: "seed=9223372036854775807").seed == .max)
    let scratch = try TemporaryDirectory()
    try Data(count: 300_000).write(to: URL(fileURLWithPath: scratch.path("large.yaml")))
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration(path: scratch.path("large.yaml")) }
    #expect(error?.description.contains("is larger than 262144 bytes") == true)
  }

  @Test func `an override of many parts is refused`() {
    let path = Array(repeating: "a", count: 60_000).joined(separator: ".")
    #expect(problems(minimalYAML, overrides: [path + "=1"]).first?.hasSuffix("at most 32 parts before the =") == true)
  }

  @Test func `plain scalars`() {
    let numbers = [
      "0": "0", "-12": "-12", "+1_000": "1000", "007": "the text \"007\"", "0x10": "the text \"0x10\"",
      "9223372036854775808": "9.223372036854776e+18", "1e3": "1000.0", "-.5": "-0.5", "5.e": "the text \"5.e\"",
      "1_0.5_0": "10.5", "._5": "the text \"._5\"", "_1": "the text \"_1\"", "1e": "the text \"1e\"",
      "1e+2": "100.0", ".": "the text \".\"", "1.2.3": "the text \"1.2.3\"", "00.5": "0.5",
    ]
    for (text, found) in numbers {
      let told = problems("adapter: \(text)\n").first { $0.contains("`adapter`") }
      #expect(told?.hasSuffix("found \(found)") == true, "\(text): \(told ?? "")")
    }
  }

  @Test func `a file that is not there is a problem of its own`() {
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration(path: "/nowhere/run.yaml") }
    #expect(error?.description.hasPrefix("/nowhere/run.yaml: 1 problem in the configuration\n") == true)
    #expect(error?.description.contains("cannot be read: ") == true)
  }
}
