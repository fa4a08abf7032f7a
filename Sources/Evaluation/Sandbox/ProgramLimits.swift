// How much one program may use.

/// Bounds for one program; the kernel keeps to all but the time and the threads.
package struct ProgramLimits: Sendable, Equatable {
  /// From the program's first line on, as the reference counts them: the start of Python is not included.
  package var seconds = 3.0
  /// Python has this much time to start. A machine that needs more is not fit to judge by time.
  package var startSeconds = 60.0
  /// Address space.
  package var memoryBytes = 1 << 30
  package var threads = 128
  package var openFiles = 64
  /// Of one file.
  package var fileBytes = 4 << 20
  /// Of all files.
  package var diskBytes = 32 << 20
  package var files = 1024

  package init() {}

  /// Processor time for one thread that computes all the time, with Python's start.
  var processorSeconds: Int { Int(min(1e6, max(1, seconds))) + 2 }
}
