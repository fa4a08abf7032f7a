// The ways in which a fresh adapter can start.

package import Model

/// How a fresh adapter starts.
package enum AdapterInitialisation: Sendable, Equatable {
  /// `true`: PEFT's default, Init[A].
  case uniform
  case gaussian
  /// Init[B]: A zero, B drawn.
  case initB
  /// PiSSA, exact or by a randomised search with power iterations.
  case pissa(iterations: Int?)
  case olora

  private static let searchPrefix = "pissa_niter_"

  /// As the key has it; `true` is no text there.
  package init?(name: String) {
    switch name {
    case "gaussian": self = .gaussian
    case "init_b": self = .initB
    case "pissa": self = .pissa(iterations: nil)
    case "olora": self = .olora
    default:
      guard name.hasPrefix(Self.searchPrefix), let count = Int(name.dropFirst(Self.searchPrefix.count)),
        0...1000 ~= count
      else { return nil }
      self = .pissa(iterations: count)
    }
  }

  package var name: String {
    switch self {
    case .uniform: "true"
    case .gaussian: "gaussian"
    case .initB: "init_b"
    case .pissa(let iterations): iterations.map { "\(Self.searchPrefix)\($0)" } ?? "pissa"
    case .olora: "olora"
    }
  }

  /// Of those that take a part of the base's weights.
  package var relativeStart: RelativeStart? {
    switch self {
    case .uniform, .gaussian, .initB: nil
    case .pissa(let iterations): .singularVectors(iterations: iterations)
    case .olora: .orthogonalFactors
    }
  }

  /// What a user should know of it.
  package var notice: String? {
    let name = "peft_init_lora_weights: \(name)"
    switch self {
    case .uniform, .gaussian: return nil
    case .initB: return "\(name): A starts at zero and B is drawn, so at first A alone learns"
    case .pissa, .olora: return "\(name): what is saved has twice the rank and needs the base as it is"
    }
  }
}
