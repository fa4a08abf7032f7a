// Mistakes of many records in few lines: a problem that records share is told once.

extension [RecordMistake] {
  /// The number of problems that are told.
  private static var mostProblems: Int { 20 }
  /// The number of places that a problem names.
  private static var mostPlaces: Int { 3 }

  /// A line for each problem, in the order of their first places, and one for what is left out.
  var lines: [String] {
    var problems: [String] = []
    var mistakes: [String: [RecordMistake]] = [:]
    for mistake in self {
      let problem = mistake.problem.kind.description
      if mistakes[problem] == nil { problems.append(problem) }
      mistakes[problem, default: []].append(mistake)
    }
    var lines = problems.prefix(Self.mostProblems).map { problem in
      let shared = mistakes[problem] ?? []
      guard shared.count > 1 else { return shared.map(\.description).joined() }
      let places = RecordLocation.list(shared.prefix(Self.mostPlaces).map(\.location), of: shared.count)
      return "\(places) (\(shared.count) records): \(problem)"
    }
    let others = problems.dropFirst(Self.mostProblems).reduce(0) { $0 + (mistakes[$1]?.count ?? 0) }
    if others > 0 { lines.append("and \(others) more") }
    return lines
  }
}

extension RecordProblem {
  /// The same problem at any place of a list: `messages[3].role` is `messages[…].role`.
  fileprivate var kind: RecordProblem {
    RecordProblem(field: field?.replacing(/\[[0-9]+\]/, with: "[…]"), reason)
  }
}
