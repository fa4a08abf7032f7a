// What an adapter was trained on and how it was addressed: training.json, beside every adapter and export.

import Checkpoints
import Tensors

/// The origin of an adapter. PEFT ignores its file.
package struct AdapterOrigin: Sendable, Equatable {
  package static let fileName = "training.json"

  /// What the prompts of all records were.
  package enum Prompts: String, Sendable { case chat, text }

  /// `base_model`.
  package var baseModel: String
  /// SHA-256 of the base's config.json and weights.
  package var baseHash: String
  /// The form of the base's linear layers in training.
  package var storage: WeightStorage
  package var prompts: Prompts
  /// The end-of-sequence token in training.
  package var endOfSequence: String?

  package init(
    baseModel: String, baseHash: String, storage: WeightStorage, prompts: Prompts, endOfSequence: String?
  ) {
    (self.baseModel, self.baseHash, self.storage) = (baseModel, baseHash, storage)
    (self.prompts, self.endOfSequence) = (prompts, endOfSequence)
  }

  /// Reads the file of a directory; nil if there is none.
  /// - Throws: `FileError`; `ContentError` if it is damaged.
  package init?(directory: String) throws {
    let path = "\(directory)/\(Self.fileName)"
    guard HubFiles.exists(path) else { return nil }
    let json = try JSONValue.read(file: path, limit: 1 << 20)
    guard let baseModel = json["base_model"]?.string, let baseHash = json["base_sha256"]?.string,
      let storage = json["base_form"]?.string.flatMap(WeightStorage.init),
      let prompts = json["prompts"]?.string.flatMap(Prompts.init)
    else {
      throw ContentError(
        path, "is not what Shoal writes beside an adapter", expected: "base_model, base_sha256, base_form and prompts")
    }
    self.init(
      baseModel: baseModel, baseHash: baseHash, storage: storage, prompts: prompts,
      endOfSequence: json["eos_token"]?.string)
  }

  var text: String {
    let json: JSONValue = [
      "base_model": .string(baseModel), "base_sha256": .string(baseHash), "base_form": .string(storage.rawValue),
      "prompts": .string(prompts.rawValue), "eos_token": endOfSequence.map(JSONValue.string) ?? .null,
    ]
    return json.serialized(indent: 2) + "\n"
  }

  /// Why an adapter computes something else on this base than in training, a sentence each.
  package func mismatches(model: String, hash: String, storage: WeightStorage, adapter: String) -> [String] {
    var sentences: [String] = []
    if hash != baseHash {
      sentences.append(
        "warning: \(adapter) was trained on another base: \(baseModel) with SHA-256 \(baseHash.prefix(12)), but "
          + "\(model) has \(hash.prefix(12))")
    }
    if storage != self.storage {
      sentences.append(
        "warning: \(adapter) was trained on a base \(self.storage.text), but \(model) is used \(storage.text)")
    }
    return sentences
  }
}
