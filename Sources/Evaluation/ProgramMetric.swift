// How many of the programs that a model writes pass their tests.

import Checkpoints

/// `pass@k`: the probability that one of k programs passes.
struct ProgramMetric: Sendable {
  private let counts: [Int]
  private let runner: any ProgramRunner

  /// - Parameter options: `k`, a number or a list.
  /// - Throws: `DocumentProblem` for other options, for more programs than there are answers, and without a runner.
  init(_ options: [JSONValue.Member], _ runner: (any ProgramRunner)?, repeats: Int) throws(DocumentProblem) {
    let option = JSONValue.object(options)["k"] ?? [1]
    let counts = option.int.map { [$0] } ?? option.array?.compactMap(\.int) ?? []
    guard !counts.isEmpty, options.allSatisfy({ $0.name == "k" }), counts.allSatisfy({ 1...max(1, repeats) ~= $0 })
    else { throw DocumentProblem("pass_at_k takes k, from 1 to the number of answers (repeats)") }
    guard let runner else {
      throw DocumentProblem(
        "the answers are programs, which are run only with --allow-code-execution: they are a model's, nobody has read them"
      )
    }
    (self.counts, self.runner) = (counts, runner)
  }

  var names: [String] { counts.map { "pass@\($0)" } }

  /// Programs that are run at a time, so that a stop is heard between them.
  private static let portion = 64

  /// Runs the programs of all documents, each with its document's tests.
  /// - Returns: the metrics of each document.
  func values(_ documents: [(programs: [String], tests: String)]) throws -> [[DocumentMetric]] {
    let programs = documents.flatMap { document in document.programs.map { $0 + "\n" + document.tests } }
    var outcomes: [ProgramOutcome] = []
    for start in stride(from: 0, to: programs.count, by: Self.portion) {
      outcomes += try runner.run(Array(programs[start..<min(start + Self.portion, programs.count)]))
    }
    var rest = outcomes[...]
    return documents.map { document in
      let (total, own) = (document.programs.count, rest.prefix(document.programs.count))
      rest = rest.dropFirst(total)
      let passed = own.count { $0 == .passed }
      return counts.map { DocumentMetric("pass@\($0)", .number(Self.estimate(of: total, passed, $0))) }
    }
  }

  /// The unbiased estimate 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, equation 1).
  static func estimate(of total: Int, _ passed: Int, _ count: Int) -> Double {
    if total - passed < count { return 1 }
    guard passed > 0 else { return 0 }
    var missed = 1.0
    for place in total - passed + 1...total { missed *= 1 - Double(count) / Double(place) }
    return 1 - missed
  }
}
