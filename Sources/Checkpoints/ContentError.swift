// Describes a wrong file or directory that the user named: the part, the found content, the expected content.

import Tensors

/// A file or directory does not have the expected content. Carries all problems that were found.
package struct ContentError: UserError, Equatable {
  package struct Problem: Sendable, Equatable {
    /// The tensor, key or file inside; nil for the whole file or directory.
    package var item: String?
    /// A verb and the found content: `has shape [896]`.
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

  /// `model.safetensors: "model.norm.weight" has shape [896], expected [1536]`; with several problems, one line for
  /// each of the first few.
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
