// What is wrong with a run configuration: every problem of a file at once, each with its place.

import Tensors

/// One mistake in a run configuration.
package struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
  /// Where the value came from.
  package enum Place: Sendable, Equatable {
    /// The file as a whole: a missing key, a file that cannot be read.
    case file
    /// A line of the file, from 1.
    case line(Int)
    /// A `key=value` of the command line, as it was written.
    case override(String)

    var name: String {
      switch self {
      case .file: "the file"
      case .line(let line): "line \(line)"
      case .override(let argument): "override \(argument)"
      }
    }
  }

  package var place: Place
  /// What was expected, what was found and what to do, in one sentence.
  package var text: String

  package init(place: Place, text: String) {
    self.place = place
    self.text = text
  }

  package var description: String {
    place == .file ? text : "\(place.name): \(text)"
  }
}

/// A configuration that cannot be run, with all its problems: lines first, then overrides.
package struct ConfigurationError: UserError, Equatable {
  /// The file, as the caller named it.
  package let path: String
  package let problems: [ConfigurationProblem]

  /// A file that is wrong as a whole.
  init(path: String, _ text: String) {
    self.init(path: path, problems: [ConfigurationProblem(place: .file, text: text)])
  }

  init(path: String, problems: [ConfigurationProblem]) {
    self.path = path
    // Sorting is by place and, for problems of one place, by the order in which they were found.
    self.problems = problems.enumerated()
      .sorted { Self.rank($0) < Self.rank($1) }
      .map(\.element)
  }

  private static func rank(_ entry: (offset: Int, element: ConfigurationProblem)) -> (Int, Int, Int) {
    switch entry.element.place {
    case .file: (0, 0, entry.offset)
    case .line(let line): (1, line, entry.offset)
    case .override: (2, 0, entry.offset)
    }
  }

  package var description: String {
    let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    return (["\(path): \(count) in the configuration"] + problems.map { "  \($0)" })
      .joined(separator: "\n")
  }
}
