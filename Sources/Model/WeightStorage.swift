// The forms in which a frozen base is held.

import Tensors

/// The storage of the frozen linear layers' matrices.
package enum WeightStorage: String, Sendable, CaseIterable {
  /// As in the checkpoint.
  case stored
  /// In NF4, from the cache: QLoRA's base.
  case nf4
  /// In int8, from the cache.
  case int8

  /// What the matrices are quantised to; nil: they are not.
  package var form: (any QuantizedForm.Type)? {
    switch self {
    case .stored: nil
    case .nf4: NF4Form.self
    case .int8: Int8Form.self
    }
  }

  /// How a base is held, in words: `in 4 bits (NF4)`.
  package var text: String {
    switch self {
    case .stored: "as stored"
    case .nf4: "in 4 bits (\(NF4Form.name))"
    case .int8: "in 8 bits (\(Int8Form.name))"
    }
  }

  /// A hash of the weights in this storage, for a model with the hash `modelHash`.
  package func contentHash(modelHash: String) -> String { form?.contentHash(modelHash: modelHash) ?? modelHash }
}
