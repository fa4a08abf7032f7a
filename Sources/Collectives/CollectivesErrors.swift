// Errors between ranks: MPI itself fails, or the user started a world that cannot work.

import CShoal
import Tensors

/// MPI reported an error or returned an invalid value.
package struct MPIFailure: Error, CustomStringConvertible {
  package let operation: String
  package let reason: String

  package var description: String { "MPI: \(operation) failed: \(reason)" }

  /// Turns the status of one shim call into an error.
  static func check(_ status: Int32, _ operation: String) throws(MPIFailure) {
    guard status != SHOAL_MPI_OK else { return }
    var text = [CChar](repeating: 0, count: 512)
    text.withUnsafeMutableBufferPointer { shoal_mpi_error_text(status, $0.baseAddress, Int64($0.count)) }
    let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw MPIFailure(operation: operation, reason: reason)
  }
}

/// An error in the world's set-up that the user can fix.
package enum WorldError: UserError {
  /// The launcher announced another number of ranks than MPI sees.
  case sizeDiffers(variable: String, announced: Int, found: Int)
  /// Facts that must be equal on all ranks differ.
  case ranksDiffer([RankDifference])
  /// The environment's watchdog limit is not a number of seconds.
  case watchdogSeconds(variable: String, String)

  package var description: String {
    switch self {
    case .sizeDiffers(let variable, let announced, let found):
      "world: the launcher announces \(announced) ranks (\(variable)=\(announced)), but MPI sees \(found); "
        + "start the job with the mpirun of the Open MPI that shoal is linked with, "
        + "or under Slurm with srun --mpi=pmix"
    case .ranksDiffer(let differences):
      "world: the ranks are not alike, so the result would depend on who computes what:\n"
        + differences.map { "  \($0)" }.joined(separator: "\n")
    case .watchdogSeconds(let variable, let text):
      "\(variable) is \"\(text)\", expected seconds from 2 to 1000000, or 0 for no watchdog"
    }
  }
}
