// The tasks of the harness that are built in and choose between answers. Names, texts and versions are those of
// lm-evaluation-harness 0.4.13, so that prompts and results compare.

import Checkpoints

extension TaskDefinition {
  /// A task as the harness has it.
  /// - Parameter query: `doc_to_decontamination_query`, which results show.
  static func harness(
    _ name: String, _ type: OutputType, text: DocumentField, target: DocumentField, choice: DocumentField? = nil,
    metrics: [MetricSettings] = [], dataset: (String, String?), splits: [String], tags: [String] = [],
    version: Double = 1, query: String? = nil
  ) -> TaskDefinition {
    var task = TaskDefinition(name, type, text: text, target: target, choice: choice, metrics: metrics)
    (task.dataset, task.tags, task.version) = (dataset, tags, .number(version))
    func split(_ name: String) -> String? { splits.contains(name) ? name : nil }
    task.splits = (split("train"), split("validation"), split("test"))
    if let query {
      task.remarks = [
        .init("should_decontaminate", true), .init("doc_to_decontamination_query", .string(query)),
      ]
    }
    return task
  }

  private static func means(_ names: String...) -> [MetricSettings] {
    names.map { MetricSettings($0, aggregation: "mean", higherIsBetter: true) }
  }

  /// `acc_bytes` and `acc_tok` are not among the harness's metrics of these tasks.
  private static let answers = means("acc", "acc_norm", "acc_bytes", "acc_tok")

  static let hellaswag = {
    var task = harness(
      "hellaswag", .multipleChoice, text: .template("{{query}}"), target: .template("{{label}}"),
      choice: .template("choices"), metrics: answers, dataset: ("Rowan/hellaswag", nil),
      splits: ["train", "validation"], tags: ["multiple_choice"])
    task.processing = DocumentFunctions.hellaswag
    return task
  }()

  static let winogrande = harness(
    "winogrande", .multipleChoice, text: .function(DocumentFunctions.winograndeText),
    target: .function(DocumentFunctions.winograndeTarget), choice: .function(DocumentFunctions.winograndeChoices),
    metrics: means("acc", "acc_tok"), dataset: ("allenai/winogrande", "winogrande_xl"),
    splits: ["train", "validation"], query: "sentence")

  static let arcEasy = arc("arc_easy", "ARC-Easy")
  static let arcChallenge = arc("arc_challenge", "ARC-Challenge")

  private static func arc(_ name: String, _ dataset: String) -> TaskDefinition {
    let question = "Question: {{question}}\nAnswer:"
    return harness(
      name, .multipleChoice, text: .template(question), target: .template("{{choices.label.index(answerKey)}}"),
      choice: .template("{{choices.text}}"), metrics: answers, dataset: ("allenai/ai2_arc", dataset),
      splits: ["train", "validation", "test"],
      tags: ["ai2_arc"], query: question)
  }

  static let piqa = harness(
    "piqa", .multipleChoice, text: .template("Question: {{goal}}\nAnswer:"), target: .template("label"),
    choice: .template("{{[sol1, sol2]}}"), metrics: answers, dataset: ("baber/piqa", nil),
    splits: ["train", "validation"], query: "goal")

  static let openbookqa = harness(
    "openbookqa", .multipleChoice, text: .template("question_stem"),
    target: .template("{{choices.label.index(answerKey.lstrip())}}"), choice: .template("{{choices.text}}"),
    metrics: answers, dataset: ("allenai/openbookqa", "main"), splits: ["train", "validation", "test"],
    query: "question_stem")

  static let boolq = harness(
    "boolq", .multipleChoice, text: .template("{{passage}}\nQuestion: {{question}}?\nAnswer:"),
    target: .template("label"), choice: .value(["no", "yes"]), metrics: [MetricSettings("acc")],
    dataset: ("aps/super_glue", "boolq"), splits: ["train", "validation"], tags: ["super-glue-lm-eval-v1"], version: 2,
    query: "passage")

  static let lambadaOpenAI = harness(
    "lambada_openai", .logLikelihood, text: .template("{{text.split(' ')[:-1]|join(' ')}}"),
    target: .template("{{' '+text.split(' ')[-1]}}"),
    metrics: [MetricSettings("perplexity", aggregation: "perplexity", higherIsBetter: false)] + means("acc"),
    dataset: ("EleutherAI/lambada_openai", "default"), splits: ["test"], tags: ["lambada"], query: "{{text}}")

  /// How likely texts are, by token, word, byte and bit. Not one of the harness's.
  static let perplexity = {
    var task = TaskDefinition(
      "perplexity", .rolling, text: .template(""), target: .template("{{text}}"),
      metrics: ["token_perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"].map {
        MetricSettings($0, higherIsBetter: false)
      })
    task.splits.test = "test"
    task.shotCount = 0
    task.version = 1
    return task
  }()

  // MARK: mmlu

  /// The questions of one subject, answered by a letter.
  static func mmlu(_ subject: String) -> TaskDefinition {
    let letters = ["A", "B", "C", "D"]
    let choices = letters.enumerated().map { "\n\($1). {{choices[\($0)]}}" }.joined()
    var task = TaskDefinition(
      "mmlu_\(subject)", .multipleChoice, text: .template("{{question.strip()}}\(choices)\nAnswer:"),
      target: .template("answer"), choice: .value(.array(letters.map(JSONValue.string))), metrics: means("acc"))
    task.description = "The following are multiple choice questions (with answers) about \(spaced(subject)).\n\n"
    return mmlu(task, subject, tag: "\(MMLUSubjects.category(of: subject))_tasks")
  }

  /// The questions of one subject, answered by the choice itself.
  static func mmluContinuation(_ subject: String) -> TaskDefinition {
    var task = TaskDefinition(
      "mmlu_\(subject)_continuation", .multipleChoice, text: .template("Question: {{question.strip()}}\nAnswer:"),
      target: .template("{{answer}}"), choice: .template("{{choices}}"))
    task.description = "The following are questions (with answers) about \(spaced(subject)).\n\n"
    return mmlu(task, subject, tag: "\(MMLUSubjects.category(of: subject))_continuation")
  }

  private static func spaced(_ subject: String) -> String { subject.replacingEvery("_", with: " ") }

  private static func mmlu(_ task: TaskDefinition, _ subject: String, tag: String) -> TaskDefinition {
    var task = task
    if task.outputType == .multipleChoice, task.name == "mmlu_\(subject)" { task.alias = subject }
    task.tags = [tag]
    task.dataset = ("cais/mmlu", subject)
    task.splits = (nil, nil, "test")
    task.shots.split = "dev"
    task.shots.sampler = .first
    task.version = 1.0
    return task
  }
}
