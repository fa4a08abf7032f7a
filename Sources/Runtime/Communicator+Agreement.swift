// Turns a failure of one rank into a failure of all.

package import Collectives

extension Communicator {
  /// Runs `body` on every rank. If any rank fails, all fail with the error of the lowest failed rank.
  /// - Throws: `AgreedFailure`.
  package func agree(_ body: () throws -> Void) throws {
    var failure: (any Error)?
    do { try body() } catch { failure = error }
    try agreeOnFailure(local: failure)
  }
}

extension Duration {
  /// In seconds.
  package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
