// What a task that judges programs knows of how they run.

/// Runs programs that nobody trusts.
package protocol ProgramRunner: Sendable {
  /// Runs every program once, in any order and several at a time.
  ///
  /// - Parameter programs: Python, each complete with its tests.
  /// - Returns: an outcome per program, in order.
  /// - Throws: if the machine cannot run programs; never because of what a program does.
  func run(_ programs: [String]) throws -> [ProgramOutcome]
}

/// How a program ended.
package enum ProgramOutcome: Sendable, Equatable {
  /// It ran to the end of its text.
  case passed
  /// It raised or ended early: the first line of why.
  case failed(String)
  case timedOut
  /// It was ended because it used too much of something, or did what no program may do.
  case killed(String)
}
