// What runs the programs that models write.

/// What became of a program.
package enum ProgramOutcome: Sendable, Equatable {
  case passed
  case failed(String)
  case timedOut
}

/// Runs programs of Python, contained.
package protocol ProgramRunner: Sendable {
  /// Runs a program to its end.
  /// - Throws: if programs cannot be run here at all.
  func run(program: String) throws -> ProgramOutcome
}
