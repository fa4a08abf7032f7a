// The tasks of the harness that are built in and answer in free text.

import Checkpoints

extension TaskDefinition {
  /// How answers of gsm8k are compared with solutions.
  private static let numberMatch = MetricSettings(
    "exact_match", aggregation: "mean", higherIsBetter: true,
    options: [
      .init("ignore_case", true), .init("ignore_punctuation", false),
      .init("regexes_to_ignore", [",", "\\$", "(?s).*#### ", "\\.$"]),
    ])

  private static func numberFilters(strict pattern: String) -> [(name: String, steps: [FilterStep])] {
    let first = FilterStep("take_first")
    return [
      ("strict-match", [FilterStep("regex", [.init("regex_pattern", .string(pattern))]), first]),
      (
        "flexible-extract",
        [
          FilterStep(
            "regex", [.init("group_select", -1), .init("regex_pattern", #"(-?[$0-9.,]{2,})|(-?[0-9]+)"#)]),
          first,
        ]
      ),
    ]
  }

  static let gsm8k = {
    var task = harness(
      "gsm8k", .generation, text: .template("Question: {{question}}\nAnswer:"), target: .template("{{answer}}"),
      metrics: [numberMatch], dataset: ("openai/gsm8k", "main"), splits: ["train", "test"],
      tags: ["math_word_problems"], version: 3)
    task.shots.split = "train"
    task.generation = [
      .init("until", ["Question:", "</s>", "<|im_end|>"]), .init("do_sample", false), .init("temperature", 0.0),
    ]
    task.shotCount = 5
    task.filters = numberFilters(strict: #"#### (\-?[0-9\.\,]+)"#)
    return task
  }()

  static let gsm8kCoT = {
    var task = harness(
      "gsm8k_cot", .generation, text: .template("Q: {{question}}\nA:"),
      target: .template("{{answer.split('####')[-1].strip() if answer is defined else target}}"),
      metrics: [numberMatch], dataset: ("openai/gsm8k", "main"), splits: ["test"], tags: ["chain_of_thought"],
      version: 3)
    task.shots.sampler = .first
    task.shots.samples = ChainOfThought.examples.map {
      ["question": .string($0.question), "target": .string($0.answer)]
    }
    task.generation = [.init("do_sample", false), .init("until", ["Q:", "</s>", "<|im_end|>"])]
    task.shotCount = 8
    task.filters = numberFilters(strict: #"The answer is (\-?[0-9\.\,]+)."#)
    return task
  }()

  static let humaneval = {
    var task = harness(
      "humaneval", .generation, text: .template("{{prompt}}"), target: .template("{{test}}\ncheck({{entry_point}})"),
      metrics: [
        MetricSettings("pass_at_k", aggregation: "mean", higherIsBetter: true, options: [.init("k", [1])])
      ], dataset: ("openai/openai_humaneval", nil), splits: ["test"])
    task.runsPrograms = true
    task.generation = [
      .init("until", ["\nclass", "\ndef", "\n#", "\nif", "\nprint"]), .init("max_gen_toks", 1024),
      .init("do_sample", false),
    ]
    task.shotCount = 0
    task.filters = [("create_test", [FilterStep("prepend_prompt")])]
    return task
  }()
}
