// A task as it is asked for.

/// A task to evaluate: one that is known by name with its documents, or a task file.
package struct TaskChoice: Sendable, Equatable {
  /// Of a known task; empty: `file` says what the task is.
  package var name = ""
  /// The documents of a known task: a file, a directory, or a data set in the hub's cache.
  package var data = ""
  /// lm-eval's YAML.
  package var file: String?
  /// The file that examples are drawn from; nil: what the task says.
  package var shots: String?
  /// Examples per prompt; nil: as the task says.
  package var shotCount: Int?
  /// Documents, or below 1 the share of them; nil: all.
  package var limit: Double?
  /// Whether prompts are chats of the model's template.
  package var appliesChatTemplate = false

  /// The tasks that compare texts with reference texts.
  package static let textMetrics = ["rouge", "bertscore"]
  package static let names = BuiltInTasks.names + [TaskRun.preferenceName] + textMetrics

  package init() {}

  /// - Parameter text: `NAME=FILE`; nil for anything else.
  package init?(_ text: String) {
    guard let separator = text.firstIndex(of: "="), separator != text.startIndex else { return nil }
    (name, data) = (String(text[..<separator]), String(text[text.index(after: separator)...]))
  }

  /// What is wrong with `name`; nil if nothing is.
  package var problem: String? {
    name.isEmpty || Self.names.contains(name)
      ? nil : "there is no task \"\(name)\"; there are \(Self.names.joined(separator: ", "))"
  }

  /// All files that are read.
  package var paths: [String] { [name.isEmpty ? nil : data, file, shots].compactMap(\.self) }
}
