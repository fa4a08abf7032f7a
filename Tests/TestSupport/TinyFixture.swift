// The committed tiny checkpoints, with reference results of transformers and PEFT (Tests/Fixtures/tiny_model.py), and
// of bitsandbytes for one of them (Tests/Fixtures/nf4.py).

package import Checkpoints
package import Corpus
import Foundation
package import Model
import Tensors

/// One case of the fixture: a model, an adapter, preference trees and reference numbers.
package struct TinyFixture {
  package let name: String
  package let model: LanguageModel
  package let adapter: Adapter?
  package let trees: [ExampleTree]
  /// The case's entry in cases.json, which contains each tree's entry.
  package let values: JSONValue
  private let reference: SafetensorsFile

  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path

  package static let directory = "\(fixtures)/tiny"
  /// The fixtures of QLoRA: the case "nf4", and matrices.safetensors.
  package static let nf4Directory = "\(fixtures)/nf4"

  /// - Parameter name: "all", "qv", "half" or "untied"; or "nf4", in its own directory.
  package init(_ name: String, in directory: String = Self.directory) throws {
    self.name = name
    let cases = try JSONValue.parse(String(contentsOfFile: "\(directory)/cases.json", encoding: .utf8))
    let values = try cases["cases"]?[name].required(name)
    self.values = try values.required(name)
    let modelName = try self.values["model"]?.string.required("model") ?? ""
    model = try LanguageModel(ModelDirectory("\(directory)/\(modelName)"))
    reference = try SafetensorsFile(path: "\(directory)/reference.safetensors")
    adapter = try self.values["adapter"]?.string.map { [model] in
      try Adapter(AdapterDirectory("\(directory)/\($0)", model: model.configuration), model: model.configuration)
    }
    trees = try (self.values["trees"]?.array ?? []).enumerated().map { index, tree in
      ExampleTree(
        index: index, prompt: try tree["prompt"].required("prompt").tokens,
        completions: (tree["completions"]?.array ?? []).map { $0.tokens })
    }
  }

  /// The numbers of `CASE/path` in reference.safetensors.
  package func reference(_ path: String) throws -> [Float] {
    let entry = try reference.tensors["\(name)/\(path)"].required(path)
    return Array(reference.bytes(of: entry).bindMemory(to: Float.self))
  }

  /// The directory of one of the fixture's models.
  package static func path(_ name: String) -> String { "\(directory)/\(name)" }
}

struct MissingValue: Error { let name: String }

extension Optional {
  /// The value, or an error that names the missing value.
  package func required(_ name: String) throws -> Wrapped {
    guard let self else { throw MissingValue(name: name) }
    return self
  }
}

extension JSONValue {
  package var tokens: [Int32] { (array ?? []).compactMap { $0.int.map(Int32.init) } }
  package var numbers: [Double] { (array ?? []).compactMap(\.double) }
}
