import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Weights of a model without any, drawn by transformers' law.
struct DrawnWeightsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// A directory with a family's config.json, changed, and without weights.
  private func bare(_ family: String, _ changes: [String: Any?] = [:]) throws -> String {
    let name = "\(family)-\(UUID().uuidString)"
    let path = "\(TinyFixture.directory)/../families/\(family)/config.json"
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    var json = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    for (key, value) in changes { json[key] = value }
    try FileManager.default.createDirectory(atPath: directory.path(name), withIntermediateDirectories: true)
    try JSONSerialization.data(withJSONObject: json).write(
      to: URL(fileURLWithPath: directory.path("\(name)/config.json")))
    return directory.path(name)
  }

  private func drawn(_ path: String, seed: UInt64 = 7, threads: Int = 1, cache: String = "cache") throws
    -> ModelDirectory
  { try ModelDirectory(drawing: path, seed: seed, cacheDirectory: directory.path(cache), threads: threads) }

  private func numbers(_ name: WeightName, of model: ModelDirectory) -> [Float] {
    model[name].bytes.bindMemory(to: Float.self).map(\.self)
  }

  @Test(arguments: ["qwen2-tied", "qwen2-untied", "qwen3", "llama3", "llama-biases"])
  func `matrices are normal, norms one and biases zero`(family: String) throws {
    let deviation = 0.05
    let model = try drawn(bare(family, ["initializer_range": deviation, "pad_token_id": 3]))
    var matrices: [[Float]] = []
    for name in WeightName.all(model.configuration) {
      let numbers = numbers(name, of: model)
      #expect(numbers.count == name.shape(model.configuration).reduce(1, *))
      switch name {
      case .bias: #expect(numbers.allSatisfy { $0 == 0 })
      case _ where !name.isMatrix: #expect(numbers.allSatisfy { $0 == 1 })
      default:
        var drawn = numbers
        if name == .embedding {
          let width = model.configuration.hiddenSize
          #expect(numbers[3 * width..<4 * width].allSatisfy { $0 == 0 })
          drawn.removeSubrange(3 * width..<4 * width)
        }
        let count = Double(drawn.count)
        let mean = drawn.reduce(0) { $0 + Double($1) } / count
        let variance = drawn.reduce(0) { $0 + Double($1) * Double($1) } / count
        // Five standard errors.
        #expect(abs(mean) < 5 * deviation / count.squareRoot(), "\(name.hubName): mean \(mean)")
        #expect(
          abs(variance / (deviation * deviation) - 1) < 5 * (2 / count).squareRoot(), "\(name.hubName): \(variance)")
        // A normal number is beyond two standard deviations in 4.55 % of all cases.
        let share = Double(drawn.count { abs(Double($0)) > 2 * deviation }) / count
        #expect(abs(share - 0.0455) < 5 * (0.0455 / count).squareRoot(), "\(name.hubName): \(share)")
        matrices.append(Array(drawn.prefix(8)))
      }
    }
    #expect(Set(matrices).count == matrices.count, "no two weights are the same numbers")
  }

  @Test func `the seed and the place alone decide`() throws {
    let path = try bare("qwen3")
    func bits(_ model: ModelDirectory) -> [[UInt32]] {
      WeightName.all(model.configuration).map { numbers($0, of: model).map(\.bitPattern) }
    }
    let one = try drawn(path)
    #expect(bits(try drawn(path, threads: 3, cache: "other")) == bits(one))
    #expect(bits(try drawn(path, seed: 8)) != bits(one))
    #expect(try drawn(path, threads: 2).contentHash() == one.contentHash())
    #expect(try drawn(path, seed: 8).contentHash() != one.contentHash())
    // A larger vocabulary has the same first rows.
    let wider = try drawn(bare("qwen3", ["vocab_size": one.configuration.vocabularySize + 64]))
    let rows = numbers(.embedding, of: one)
    #expect(numbers(.embedding, of: wider).prefix(rows.count).elementsEqual(rows))
  }

  @Test func `a damaged file is drawn again`() throws {
    let path = try bare("qwen2-tied")
    let before = numbers(.embedding, of: try drawn(path))
    let folder = directory.path("cache/drawn")
    let name = try #require(
      FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".safetensors") })
    var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
    bytes[bytes.count - 100] ^= 1
    try bytes.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    #expect(numbers(.embedding, of: try drawn(path)) == before)
  }

  @Test func `refusals`() throws {
    let weights = #expect(throws: ContentError.self) { try drawn(TinyFixture.path("model")) }
    #expect(weights?.description.contains("has weights (model.safetensors)") == true)
    let range = try bare("qwen2-tied", ["initializer_range": "wide"])
    let refused = #expect(throws: ContentError.self) { try drawn(range) }
    #expect(refused?.description.contains("initializer_range") == true)
    let nowhere = try bare("qwen2-tied")
    #expect(throws: ContentError.self) {
      try ModelDirectory(drawing: nowhere, seed: 1, cacheDirectory: nil, threads: 1)
    }
  }
}
