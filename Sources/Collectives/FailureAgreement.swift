// Ends the job cleanly after an error on one rank: all ranks learn of it, and one rank reports it.

import Tensors

/// The failure that all ranks agreed on, the same on every rank.
package struct AgreedFailure: Error, CustomStringConvertible {
  /// The lowest rank that failed; it reports the error.
  package let rank: Int
  /// The error's description.
  package let message: String
  /// Whether the user can fix the error.
  package let isUserError: Bool

  package var description: String { message }
}

extension Communicator {
  /// Ends the job on all ranks if any rank failed. Collective; every rank passes its error or nil.
  /// - Throws: `AgreedFailure`, the same on all ranks, if any rank passed an error.
  package func agreeOnFailure(local error: (any Error)?) throws {
    guard try agree(on: error == nil ? 0 : 1) != 0 else { return }
    let mine: [UInt8] =
      error.map { [$0 is any UserError ? 1 : 0] + Array(String(describing: $0).utf8) } ?? []
    for (rank, report) in try gather(mine).enumerated() {
      guard let kind = report.first else { continue }
      throw AgreedFailure(
        rank: rank, message: String(decoding: report.dropFirst(), as: UTF8.self),
        isUserError: kind == 1)
    }
  }
}
