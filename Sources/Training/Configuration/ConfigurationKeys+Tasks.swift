// The key of tasks that every evaluation runs.

import Evaluation

extension ValueKind where Value == [TaskChoice] {
  /// `NAME=FILE` or a task file, alone or in a mapping with more; or a mapping of names to files.
  static var tasks: Self {
    let text = "a list of NAME=FILE, task files (.yaml) or mappings with task and path"
    let table = ConfigurationKeys.task
    return Self(text) { section, key, tree in
      let items: [ConfigurationTree]
      switch tree.content {
      case .list(let list): items = list
      case .text: items = [tree]
      case .mapping(let members):
        items = members.map { member in
          ConfigurationTree(
            .mapping([.init(name: "task", tree: .text(member.name)), .init(name: "path", tree: member.tree)]),
            place: member.tree.place)
        }
      default:
        section.refuse(key, expected: text)
        return nil
      }
      var choices: [TaskChoice] = []
      for (index, item) in items.enumerated() {
        if case .text(let word) = item.content {
          guard let choice = TaskChoice(word) ?? TaskChoice(file: word) else {
            section.report("`\(section.prefix)\(key)`: expected \(text), found \(item.found)", at: item.place)
            continue
          }
          if let problem = choice.unfitness { section.report("`\(section.prefix)\(key)`: \(problem)", at: item.place) }
          choices.append(choice)
        } else if let choice = section.section("\(key).\(index)", item, table) {
          choices.append(choice)
        }
      }
      return choices
    } write: {
      $0.isEmpty ? .null : .list($0.map(table.mapping))
    }
  }
}

extension ConfigurationKeys {
  static let task = ConfigurationTable(
    initial: TaskChoice(), keys: taskKeys,
    rules: { choice, section in
      if let problem = choice.unfitness { section.report("`\(section.prefix)task`: \(problem)", about: "task") }
      // What does not fit has been told.
      guard section.problems.isEmpty else { return }
      switch (choice.name.isEmpty, choice.data.isEmpty, choice.file == nil) {
      case (false, false, true), (true, true, false): break
      default: section.report("`\(section.prefix)task`: expected task with path, or task_file", about: "task")
      }
    })

  private static let taskKeys: [ConfigurationKey<TaskChoice>] = [
    .init("task", \.name, .text, "A task that `shoal evaluate` knows by name.").also("name")
      .standing(at: "required, or `task_file`"),
    .init("path", \.data, .path, "Its documents: a file, a directory, or a data set of the hub's cache.")
      .standing(at: "required with `task`"),
    .init("task_file", \.file, .path, "A task of lm-evaluation-harness in YAML, instead of both."),
    .init("fewshot", \.shots, .path, "The file that examples are drawn from."),
    .init("num_fewshot", \.shotCount, .integer(from: 0, to: 10_000), "Examples in each prompt; as the task says."),
    .init(
      "limit", \.limit, .number("a number greater than 0") { $0 > 0 },
      "Only the first documents, or below 1 that share of them."),
    .init("apply_chat_template", \.appliesChatTemplate, .bool, "Prompts are chats of the run's template."),
  ]
}

extension TaskChoice {
  fileprivate init?(file: String) {
    guard file.hasSuffix(".yaml") || file.hasSuffix(".yml") else { return nil }
    self.init()
    self.file = file
  }

  /// Why the task cannot be one of a training run; nil if it can.
  fileprivate var unfitness: String? {
    switch name {
    case "humaneval": "humaneval runs programs: `shoal evaluate RUN --allow-code-execution` does"
    case "bertscore": "bertscore needs an encoder: `shoal evaluate RUN --encoder DIR` has one"
    default: problem
    }
  }
}

extension RunConfiguration {
  /// Whether examples are held out.
  var holdsOut: Bool { heldOut != nil || !testDatasets.isEmpty }

  /// Whether the metric that evaluations are compared by may be a task's. What a task file names is known later.
  var comparesByTask: Bool {
    evaluationTasks.contains { $0.name.isEmpty || metricForBestModel.hasPrefix("eval_\($0.name)_") }
      && !objective.evaluationMetricNames.contains { "eval_\($0)" == metricForBestModel }
  }
}
