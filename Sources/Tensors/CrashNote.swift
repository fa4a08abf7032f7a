// What a process was computing, should it crash: a signal's handler writes it down.

import CShoal

/// The note that a crash (SIGSEGV, SIGILL, SIGFPE, SIGABRT or SIGTRAP) leaves in a file.
package enum CrashNote {
  /// From now on a crash writes the note that is set to the new file `path`, followed by the signal's number and `}`.
  /// Once in a process.
  /// - Returns: whether the path is short enough for that.
  @discardableResult
  package static func watch(path: String) -> Bool { shoal_crash_watch(path) == 0 }

  /// Runs `body` with `text` as the note. From one thread at a time; a crash of any counts.
  package static func during<Result>(_ text: String, _ body: () throws -> Result) rethrows -> Result {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBytes { bytes in
      shoal_crash_note(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
      defer { shoal_crash_note(nil, 0) }
      return try body()
    }
  }
}
