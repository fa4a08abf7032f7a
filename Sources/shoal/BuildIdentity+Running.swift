// The identity of the running program.

import Checkpoints
import Runtime
import Training

extension BuildIdentity {
  static let version = "0.1.0"

  /// This executable.
  static func running() throws -> BuildIdentity {
    BuildIdentity(version: version, binary: try ContentHash().sha256(ofFile: "/proc/self/exe"))
  }
}
