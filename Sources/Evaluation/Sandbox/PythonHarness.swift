// The few lines of Python that run a program inside its process, and how they report.

import Glibc

/// What the process says before and after the program.
///
/// A program counts as passed if it ran to the end of its text, as in the reference (openai/human-eval, execution.py):
/// whoever exits early, with whatever code, has not. The proof is a random key that comes with the program through a
/// descriptor that is closed before the program starts; the harness sends it back at the end. Text that was written to
/// pass any test cannot know it. A program made against this harness could find it in Python's own memory, as it could
/// change the reference's list of results: the key guards the score against accidents and known tricks, while the
/// kernel guards the machine.
struct PythonHarness {
  static let keyBytes = 32

  /// Its arguments are the module path. The program starts in a scope of its own, so that it is not `__main__`: as in the reference.
  static let text = """
    def run():
        import os, sys
        sys.path[:] = sys.argv[1:]
        del sys.argv[1:]
        with os.fdopen(3, "rb") as file:
            data = file.read()
        key, text = data[:32], data[32:].decode("utf-8")
        del data
        write, leave = os.write, os._exit
        write(4, b"R")
        try:
            exec(text, {})
            note = key + b"P\\n"
        except BaseException as error:
            try:
                words = f"{type(error).__name__}: {error}"
            except BaseException:
                words = type(error).__name__
            words = words[:500].encode("utf-8", "replace").strip().split(b"\\n")[0]
            note = key + b"F" + words + b"\\n"
        write(4, note)
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
      if received.count < key.count, byte != key[received.count] || byte == 10 { state = .spoiled }
      if byte != 10 { received.append(byte) } else { finish() }
      if received.count > 4096 { state = .spoiled }
    case .ended, .spoiled: break
    }
  }

  private mutating func finish() {
    let words = received.dropFirst(key.count)
    switch words.first {
    case UInt8(ascii: "P") where words.count == 1: state = .ended(.passed)
    case UInt8(ascii: "F"): state = .ended(.failed(String(decoding: words.dropFirst(), as: UTF8.self)))
    default: state = .spoiled
    }
  }
}
