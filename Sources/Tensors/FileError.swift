// Errors about paths that cannot be used.

import Glibc

/// A file or a directory that the user named cannot be used: exit code 64.
///
/// A type apart from `WriteError`, because the exit code follows from the type: the machine causes a failed write.
package struct FileError: UserError {
  package let path: String
  package let action: String
  package let code: Int32

  package init(path: String, action: String, code: Int32) {
    (self.path, self.action, self.code) = (path, action, code)
  }

  package var description: String {
    "\(path): cannot \(action): \(String(cString: strerror(code)))"
  }
}
