// Errors about paths that cannot be used.

import Glibc

/// A file or a directory that the user named cannot be used: exit code 64.
///
/// A type apart from `WriteError`, because the exit code follows from the type: the machine causes a failed write.
package struct FileError: UserError {
  package let path: String
  package let action: String
  package let code: Int32
  private let reason: String

  package init(path: String, action: String, code: Int32) {
    self.init(path: path, action: action, code: code, reason: String(cString: strerror(code)))
  }

  /// - Parameter reason: where the code says too little.
  package init(path: String, action: String, code: Int32, reason: String) {
    (self.path, self.action, self.code, self.reason) = (path, action, code, reason)
  }

  package var description: String { "\(path): cannot \(action): \(reason)" }
}
