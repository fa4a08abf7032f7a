// The committed tiny checkpoints and what transformers and PEFT make of them (Tests/Fixtures/tiny_model.py).

package import Checkpoints
package import Corpus
import Foundation
package import Model
import Tensors

/// One case of the fixture: a model, an adapter, preference trees and reference numbers.
package struct TinyFixture {
  package let name: String
  package let model: Qwen2
  package let adapter: Adapter?
  package let trees: [ExampleTree]
  /// The case's entry in cases.json, and each tree's.
  package let values: JSONValue
  private let reference: SafetensorsFile

  package static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/tiny").path

  /// - Parameter name: "all", "qv", "half" or "untied".
  package init(_ name: String) throws {
    self.name = name
    let cases = try JSONValue.parse(String(contentsOfFile: Self.directory + "/cases.json", encoding: .utf8))
    let values = try cases["cases"]?[name].required(name)
    self.values = try values.required(name)
    let modelName = try self.values["model"]?.string.required("model") ?? ""
    model = try Self.model(modelName)
    reference = try SafetensorsFile(path: Self.directory + "/reference.safetensors")
    adapter = try self.values["adapter"]?.string.map { [model] in try Self.adapter($0, model.configuration) }
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

  static func model(_ name: String) throws -> Qwen2 { try Qwen2(ModelDirectory(path(name))) }

  static func adapter(_ name: String, _ configuration: ModelConfiguration) throws -> Adapter {
    try Adapter(AdapterDirectory(path(name), model: configuration), model: configuration)
  }
}

struct MissingValue: Error { let name: String }

extension Optional {
  /// The value, or an error that names what is missing.
  package func required(_ name: String) throws -> Wrapped {
    guard let self else { throw MissingValue(name: name) }
    return self
  }
}

extension JSONValue {
  package var tokens: [Int32] { (array ?? []).compactMap { $0.int.map(Int32.init) } }
  package var numbers: [Double] { (array ?? []).compactMap(\.double) }
}
