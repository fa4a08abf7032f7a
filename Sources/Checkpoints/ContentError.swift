// What is wrong with a file or directory that the caller named: which part, what it holds, what was expected.

import Tensors

/// A file or directory does not hold what it should. Carries all problems that were found.
package struct ContentError: UserError, Equatable {
  package struct Problem: Sendable, Equatable {
    /// The tensor, key or file inside; nil when the whole is meant.
    package var item: String?
    /// A verb and what is there: `has shape [896]`.
    package var found: String
    package var expected: String?

    package init(_ item: String?, _ found: String, expected: String? = nil) {
      (self.item, self.found, self.expected) = (item, found, expected)
    }
  }

  package let path: String
  package let problems: [Problem]

  package init(_ path: String, _ problems: [Problem]) {
    (self.path, self.problems) = (path, problems)
  }

  package init(_ path: String, _ found: String, expected: String? = nil) {
    self.init(path, [Problem(nil, found, expected: expected)])
  }

  package init(_ path: String, _ item: String, _ found: String, expected: String? = nil) {
    self.init(path, [Problem(item, found, expected: expected)])
  }

  /// `model.safetensors: "model.norm.weight" has shape [896], expected [1536]`; several problems take a
  /// line each, the first few of them.
  package var description: String {
    if problems.count == 1 { return "\(path): \(text(problems[0]))" }
    let shown = problems.prefix(20).map { "\n  \(text($0))" }.joined()
    let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
    return "\(path): \(problems.count) problems\(shown)\(more)"
  }

  private func text(_ problem: Problem) -> String {
    let item = problem.item.map { "\"\($0)\" " } ?? ""
    let expected = problem.expected.map { ", expected \($0)" } ?? ""
    return item + problem.found + expected
  }
}
