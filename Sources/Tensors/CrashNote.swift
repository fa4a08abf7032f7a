// A note about the current computation, which the signal handler writes to a file if the process crashes.

import CShoal

/// The note that a crash (SIGSEGV, SIGILL, SIGFPE, SIGABRT or SIGTRAP) leaves in a file.
package enum CrashNote {
  /// Makes a crash write the current note to the new file `path`, followed by the signal's number and `}`. Call it once
  /// per process.
  /// - Returns: whether the path is short enough.
  @discardableResult
  package static func watch(path: String) -> Bool { shoal_crash_watch(path) == 0 }

  /// Runs `body` with `text` as the note. Call it from one thread at a time; a crash of any thread writes the note.
  package static func during<Result>(_ text: String, _ body: () throws -> Result) rethrows -> Result {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBytes { bytes in
      shoal_crash_note(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
      defer { shoal_crash_note(nil, 0) }
      return try body()
    }
  }
}
