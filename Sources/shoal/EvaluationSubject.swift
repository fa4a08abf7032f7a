// What is evaluated: a model, or runs with their checkpoints and their bases.

import Checkpoints
import Foundation
import Model
import Tensors
import Training

/// A model to evaluate.
struct EvaluationSubject {
  /// What tells it from the others, in tables.
  var title: String
  /// What tells it from the others, in names of files; nil: the files have the names that the caller gave.
  var name: String?
  /// Nil: given texts are judged.
  var model: String?
  var adapter: String?

  /// - Throws: `RunNotFound`, `EqualNames`, and what reading a run's configuration throws.
  static func all(_ arguments: EvaluationArguments) throws -> [EvaluationSubject] {
    guard !arguments.runs.isEmpty else {
      return [
        EvaluationSubject(
          title: arguments.inference.adapter ?? arguments.model ?? "", model: arguments.model,
          adapter: arguments.inference.adapter)
      ]
    }
    let names = arguments.runs.map { URL(fileURLWithPath: $0).lastPathComponent }
    if let name = Set(names).first(where: { name in names.count { $0 == name } > 1 }) { throw EqualNames(name: name) }
    var (bases, subjects): ([EvaluationSubject], [EvaluationSubject]) = ([], [])
    for (run, name) in zip(arguments.runs, names) {
      let base = try Self.base(of: run)
      if !bases.contains(where: { $0.model == base }) {
        let own = bases.isEmpty ? "base" : "base-of-\(name)"
        bases.append(EvaluationSubject(title: own, name: own, model: base))
      }
      let isAlone = names.count == 1
      func subject(_ directory: String, _ title: String, _ name: String?) throws -> EvaluationSubject {
        guard holds(directory, "adapter_config.json") || holds(directory, "config.json") else {
          throw RunNotFound(path: directory)
        }
        let isAdapter = holds(directory, "adapter_config.json")
        return EvaluationSubject(
          title: title, name: name, model: isAdapter ? base : directory, adapter: isAdapter ? directory : nil)
      }
      let before = subjects.count
      for checkpoint in arguments.checkpoints ? try checkpoints(of: run) : [] {
        let title = isAlone ? checkpoint : "\(name).\(checkpoint)"
        subjects.append(try subject("\(run)/\(checkpoint)", title, title))
      }
      let isFinished = holds(run, "adapter_config.json") || holds(run, "config.json")
      if isFinished || subjects.count == before { subjects.append(try subject(run, name, isAlone ? nil : name)) }
    }
    return (arguments.base ? bases : []) + subjects
  }

  private static func holds(_ directory: String, _ name: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(directory)/\(name)")
  }

  private static func base(of run: String) throws -> String {
    let path = "\(run)/config.yaml"
    guard FileManager.default.fileExists(atPath: path) else { throw RunNotFound(path: run) }
    var configuration = try RunConfiguration(path: path, overrides: [])
    try configuration.locateModels()
    return configuration.baseDirectory
  }

  /// The names of a run's checkpoints, by their steps.
  private static func checkpoints(of run: String) throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: run)
    return names.compactMap { name in
      guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst("checkpoint-".count)) else { return nil }
      return (step, name)
    }.sorted { (first: (Int, String), second: (Int, String)) in first.0 < second.0 }.map(\.1)
  }

  /// results.json becomes results.checkpoint-20.json.
  func output(_ out: String) -> String {
    guard let name else { return out }
    let ending = (out as NSString).pathExtension
    let stem = ending.isEmpty ? out : String(out.dropLast(ending.count + 1))
    return "\(stem).\(name)" + (ending.isEmpty ? "" : ".\(ending)")
  }

  /// The directory of its samples.
  func samples(_ directory: String) -> String { name.map { "\(directory)/\($0)" } ?? directory }
}

/// A directory that is no run.
struct RunNotFound: UserError {
  let path: String

  var description: String {
    "\(path): expected a run with config.yaml and an adapter or weights, found none; --model and --adapter name others"
  }
}

/// Runs whose results would have the same name.
private struct EqualNames: UserError {
  let name: String

  var description: String {
    "two runs are named \(name), and so would be their results: evaluate them one by one, or through links with other names"
  }
}
