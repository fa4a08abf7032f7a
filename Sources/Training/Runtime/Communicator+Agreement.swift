// Failures that all ranks share.

import Collectives

extension Communicator {
  /// Runs `body` on every rank; a failure of any ends all, told by the lowest that failed.
  /// - Throws: `AgreedFailure`.
  func agree(_ body: () throws -> Void) throws {
    var failure: (any Error)?
    do { try body() } catch { failure = error }
    try agreeOnFailure(local: failure)
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
