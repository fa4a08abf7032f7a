// Opens a model in hub layout. Checks once, at the start, that configuration and weights fit each other.

package import Checkpoints
import Glibc
import Tensors

/// An opened hub directory. Its weights stay in mapped files. Every name, shape and type agrees with config.json.
package final class ModelDirectory: Sendable {
  package let path: String
  package let configuration: ModelConfiguration
  private let weights: HubWeights

  /// Opens `path`.
  /// - Throws: `FileError`; `ContentError` with all problems of config.json or of the weights.
  package init(_ path: String) throws {
    self.path = path
    if !HubFiles.exists("\(path)/config.json"), HubFiles.exists("\(path)/adapter_config.json") {
      throw ContentError(
        path, "is an adapter", expected: "a whole model: an adapter is given as --adapter, or as lora_model_dir")
    }
    configuration = try ModelConfiguration(directory: path)
    weights = try HubWeights(directory: path)
    let problems = weights.problems(for: configuration)
    guard problems.isEmpty else { throw ContentError(path, problems) }
  }

  /// - Parameter weights: all that the configuration needs.
  init(_ path: String, _ configuration: ModelConfiguration, _ weights: HubWeights) {
    (self.path, self.configuration, self.weights) = (path, configuration, weights)
  }

  /// The tensor `name`. For the head of a tied model this is the embedding.
  /// - Precondition: the model has the layer, and a bias if a bias is requested.
  package subscript(name: WeightName) -> HubWeights.Weight {
    let stored = name == .head && configuration.tiesEmbeddings ? WeightName.embedding : name
    guard let weight = weights[stored.hubName] else {
      preconditionFailure("\(stored.hubName) is no weight of this model")
    }
    return weight
  }

  /// A hash of config.json and of all weight files. It does not depend on the directory's name.
  /// - Throws: `FileError`.
  package func contentHash(_ hashes: ContentHash = ContentHash()) throws -> String {
    var paths = weights.files.map(\.path)
    if paths.count > 1 { paths.append("\(path)/\(HubWeights.indexName)") }
    return try hashes.sha256(ofFiles: ["\(path)/config.json"] + paths)
  }

  /// A hash of the files in `directory` that determine how text becomes token ids.
  /// - Throws: `FileError`; `ContentError` when there is no such file.
  package static func tokenizerHash(directory: String, _ hashes: ContentHash = ContentHash()) throws -> String {
    let present = HubFiles.tokenizer.map { "\(directory)/\($0)" }.filter(HubFiles.exists)
    guard !present.isEmpty else { throw ContentError(directory, "holds no tokenizer", expected: "tokenizer.json") }
    return try hashes.sha256(ofFiles: present)
  }
}

extension HubWeights.Weight {
  /// Some programs write a tied model's head too. Read once, and left to the system at once.
  fileprivate func hasSameContent(as other: Self) -> Bool {
    guard type == other.type, shape == other.shape else { return false }
    defer { file.file.release(bytes) }
    guard let own = bytes.baseAddress, let others = other.bytes.baseAddress else { return true }
    return memcmp(own, others, bytes.count) == 0
  }
}

extension HubWeights {
  /// One problem for every tensor that is missing, unexpected, misshapen or of an unusable type.
  fileprivate func problems(for configuration: ModelConfiguration) -> [ContentError.Problem] {
    var problems: [ContentError.Problem] = []
    let expected = WeightName.all(configuration)
    for name in expected {
      guard let weight = self[name.hubName] else {
        problems.append(.init(name.hubName, "is missing"))
        continue
      }
      let shape = name.shape(configuration)
      if weight.shape != shape {
        problems.append(
          .init(name.hubName, "has shape \(weight.shape)", expected: "\(shape) (\(name.shapeKeys) in config.json)"))
      }
      switch weight.type {
      case .bfloat16, .float16, .float32: break
      default:
        problems.append(.init(name.hubName, "has dtype \(weight.type.rawValue)", expected: "BF16, F16 or F32"))
      }
      if !weight.entry.range.lowerBound.isMultiple(of: weight.type.bytes) {
        problems.append(.init(name.hubName, "is not aligned", expected: "a file that safetensors 0.3 or later wrote"))
      }
    }
    let known = Set(expected.map(\.hubName))
    for name in names where !known.contains(name) && !WeightName.isIgnored(name) {
      guard name == WeightName.head.hubName else {
        problems.append(.init(name, "is unexpected"))
        continue
      }
      if let head = self[name], let embedding = self[WeightName.embedding.hubName], head.hasSameContent(as: embedding) {
        continue
      }
      problems.append(
        .init(
          name, "differs from \(WeightName.embedding.hubName) although tie_word_embeddings is true",
          expected: "tie_word_embeddings false, if the model has this head, or a file without it"))
    }
    return problems
  }
}
