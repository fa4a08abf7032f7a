// Why no program can run here.

import Glibc
import Tensors

/// What the user or the machine's administrator can set right, before any program runs.
package enum SandboxError: UserError, Equatable {
  case noPython
  case brokenPython(String, reason: String)
  case noContainment([String])

  package var description: String {
    switch self {
    case .noPython:
      "humaneval runs its programs with python3, which is not on the PATH: install Python 3.8 or later, or leave out "
        + "--allow-code-execution"
    case .brokenPython(let path, let reason):
      "\(path): does not run as Python 3.8 or later: \(reason)"
    case .noContainment(let reasons):
      "programs cannot be contained on this machine, so none was run: it needs system call filters (seccomp), and "
        + "Landlock (Linux 5.13) or user namespaces; tried:" + reasons.map { "\n  \($0)" }.joined()
    }
  }
}

/// The machine failed while programs ran; no program's doing.
package struct SandboxFailure: Error, CustomStringConvertible, Equatable {
  package let description: String

  init(_ description: String) { self.description = description }

  init(_ action: String, code: Int32) { description = "cannot \(action): \(String(cString: strerror(code)))" }
}
