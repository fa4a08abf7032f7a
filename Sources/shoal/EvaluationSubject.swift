// What is evaluated: a model, a run, or each of a run's checkpoints.

import Checkpoints
import Foundation
import Model
import Tensors
import Training

/// A model to evaluate and the file of its results.
struct EvaluationSubject {
  /// Nil: given texts are judged.
  var model: String?
  var adapter: String?
  var out: String

  /// - Throws: `RunNotFound`, and what reading a run's configuration throws.
  static func all(_ arguments: EvaluationArguments) throws -> [EvaluationSubject] {
    guard let run = arguments.runDirectory else {
      return [EvaluationSubject(model: arguments.model, adapter: arguments.inference.adapter, out: arguments.out)]
    }
    let configurationPath = "\(run)/config.yaml"
    guard FileManager.default.fileExists(atPath: configurationPath) else { throw RunNotFound(path: run) }
    var configuration = try RunConfiguration(path: configurationPath, overrides: [])
    try configuration.locateModels()
    func subject(_ directory: String, _ out: String) throws -> EvaluationSubject {
      if FileManager.default.fileExists(atPath: "\(directory)/adapter_config.json") {
        return EvaluationSubject(model: configuration.baseDirectory, adapter: directory, out: out)
      }
      guard FileManager.default.fileExists(atPath: "\(directory)/config.json") else {
        throw RunNotFound(path: directory)
      }
      return EvaluationSubject(model: directory, adapter: nil, out: out)
    }
    var subjects: [EvaluationSubject] = []
    if arguments.checkpoints {
      for (step, path) in checkpoints(of: run) { subjects.append(try subject(path, name(arguments.out, step))) }
    }
    let isFinished =
      ["adapter_config.json", "config.json"].contains { FileManager.default.fileExists(atPath: "\(run)/\($0)") }
    if isFinished || subjects.isEmpty { subjects.append(try subject(run, arguments.out)) }
    return subjects
  }

  private static func checkpoints(of run: String) -> [(step: Int, path: String)] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst("checkpoint-".count)) else { return nil }
      return (step, "\(run)/\(name)")
    }.sorted { $0.step < $1.step }
  }

  /// results.json becomes results.checkpoint-20.json.
  private static func name(_ out: String, _ step: Int) -> String {
    let ending = (out as NSString).pathExtension
    let stem = ending.isEmpty ? out : String(out.dropLast(ending.count + 1))
    return "\(stem).checkpoint-\(step)" + (ending.isEmpty ? "" : ".\(ending)")
  }
}

/// A directory that is no run.
struct RunNotFound: UserError {
  let path: String

  var description: String {
    "\(path): expected a run with config.yaml and an adapter or weights, found none; --model and --adapter name others"
  }
}
