// Turns a failure of one rank into a failure of all.

package import Collectives

extension Communicator {
  /// Runs `body` on every rank. If any rank fails, all fail with the error of the lowest failed rank. Collective.
  /// - Throws: `AgreedFailure`.
  @discardableResult
  package func agree<Value>(_ body: () throws -> Value) throws -> Value {
    let result = Result { try body() }
    var failure: (any Error)?
    if case .failure(let error) = result { failure = error }
    try agreeOnFailure(local: failure)
    return try result.get()
  }

  /// Runs `body` on rank 0 alone. If it fails, all ranks fail with its error. Collective; nil on other ranks.
  /// - Throws: `AgreedFailure`.
  @discardableResult
  package func onCoordinator<Value>(_ body: () throws -> Value) throws -> Value? {
    try agree { rank == 0 ? try body() : nil }
  }
}

extension Duration {
  /// In seconds.
  package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
