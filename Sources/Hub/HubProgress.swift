// What a download tells: only the commands print.

/// What a download tells while it works.
package enum HubProgress: Sendable, Equatable {
  /// All files that are wanted, and how many bytes are still to come, as far as the hub says.
  case listed(files: Int, present: Int, bytes: Int)
  case waiting(file: String)
  /// `total` is nil if the hub does not say.
  case advanced(file: String, bytes: Int, total: Int?)
  case finished(file: String, bytes: Int, resumedAt: Int)
  case retrying(reason: String, seconds: Double)
}
