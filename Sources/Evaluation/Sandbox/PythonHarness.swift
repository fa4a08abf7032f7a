// The few lines of Python that run a program inside its process, and how they report.

import Glibc

/// What the process says before and after the program.
///
/// A program counts as passed if it ran to the end of its text, as in the reference (openai/human-eval, execution.py):
/// whoever exits early, with whatever code, has not. The proof is a random key that comes with the program through a
/// descriptor that is closed before the program starts; the harness sends it back at the end. Text that was written to
/// pass any test cannot know it, and no variable holds it meanwhile. A program made against this harness could still
/// find it in its own process's memory, as it could change the reference's list of results: the key guards the score
/// against accidents and known tricks, while the kernel guards the machine.
struct PythonHarness {
  static let keyBytes = 32

  /// Its arguments are the module path. The program starts in a scope of its own, so that it is not `__main__`: as in
  /// the reference. The key waits on the interpreter's stack while the program runs.
  static let text = """
    def run():
        import os, sys
        sys.path[:] = sys.argv[1:]
        del sys.argv[1:]
        read, write, close, leave = os.pread, os.write, os.close, os._exit
        write(4, b"R")
        try:
            with os.fdopen(3, "rb", closefd=False) as file:
                file.seek(32)
                text = file.read().decode("utf-8")
            write(4, (read(3, 32, 0), close(3), exec(text, {}))[0] + b"P\\n")
        except BaseException as error:
            try:
                words = f"{type(error).__name__}: {error}"
            except BaseException:
                words = type(error).__name__
            words = words[:500].encode("utf-8", "replace").strip().split(b"\\n")[0]
            write(4, b"!" + words + b"\\n")
        leave(0)
    run()
    """

  enum State: Equatable {
    case starting, running
    case ended(ProgramOutcome)
    /// Something else than the harness wrote.
    case spoiled
  }

  private let key: [UInt8]
  private var received: [UInt8] = []
  private(set) var state = State.starting

  init() {
    var random = SystemRandomNumberGenerator()
    // Letters, so that no byte ends a line.
    key = (0..<Self.keyBytes).map { _ in UInt8.random(in: 97...122, using: &random) }
  }

  /// What the process reads: the key and the program.
  func input(_ program: String) -> [UInt8] { key + program.utf8 }

  /// Takes bytes of the report.
  mutating func receive(_ bytes: ArraySlice<UInt8>) {
    for byte in bytes { receive(byte) }
  }

  private mutating func receive(_ byte: UInt8) {
    switch state {
    case .starting: state = byte == UInt8(ascii: "R") ? .running : .spoiled
    case .running:
      if byte == 10 { return finish() }
      // Nothing but a reason may follow where the key does not begin.
      let isReason = (received.first ?? byte) == UInt8(ascii: "!")
      if !isReason, received.count < key.count, byte != key[received.count] { state = .spoiled }
      received.append(byte)
      if received.count > 4096 { state = .spoiled }
    case .ended, .spoiled: break
    }
  }

  private mutating func finish() {
    if received == key + [UInt8(ascii: "P")] {
      state = .ended(.passed)
    } else if received.first == UInt8(ascii: "!") {
      state = .ended(.failed(String(decoding: received.dropFirst(), as: UTF8.self)))
    } else {
      state = .spoiled
    }
  }
}
