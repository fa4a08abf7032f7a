// From a YAML file and overrides to a configuration, or to the list of everything that is wrong.

import Foundation

extension RunConfiguration {
  /// Reads a configuration file and applies `key=value` overrides in their order.
  ///
  /// Paths inside are relative to the current directory; a leading `~` is expanded.
  /// - Throws: `ConfigurationError` with every problem of the file and the overrides.
  package init(path: String, overrides: [String] = []) throws(ConfigurationError) {
    try self.init(yaml: try Self.text(of: path), name: path, overrides: overrides)
  }

  /// Reads a configuration from text.
  /// - Parameter name: What messages call the text.
  /// - Throws: `ConfigurationError` with every problem of the text and the overrides.
  package init(yaml: String, name: String, overrides: [String] = []) throws(ConfigurationError) {
    var (section, problems) = try Self.section(yaml: yaml, name: name, overrides: overrides)
    self.init()
    ConfigurationKeys.run.read(&section, into: &self)
    checkTokens(&section)
    (ignoredKeys, notices.lines) = (section.ignoredKeys, section.notices)
    notices.leavesExcessLength = section["excess_length_strategy"] == nil
    problems += section.problems
    guard problems.isEmpty else { throw ConfigurationError(path: name, problems: problems) }
  }

  private static let maximumBytes = 1 << 18

  static func text(of path: String) throws(ConfigurationError) -> String {
    let data: Data
    do {
      // A pipe is as good as a file, so the size is known when it has been read.
      data = try FileHandle(forReadingFrom: URL(fileURLWithPath: path)).read(upToCount: maximumBytes + 1) ?? Data()
    } catch {
      throw ConfigurationError(path: path, "cannot be read: \((error as NSError).localizedDescription)")
    }
    guard data.count <= maximumBytes else {
      throw ConfigurationError(path: path, "is larger than \(maximumBytes) bytes: no configuration is")
    }
    guard let yaml = String(data: data, encoding: .utf8) else {
      throw ConfigurationError(path: path, "expected UTF-8 text")
    }
    return yaml
  }

  /// The keys of a text after all overrides, and the overrides that could not be applied.
  static func section(
    yaml: String, name: String, overrides: [String]
  ) throws(ConfigurationError) -> (ConfigurationSection, [ConfigurationProblem]) {
    var tree: ConfigurationTree
    do {
      tree = try ConfigurationTree(yaml: yaml)
    } catch {
      throw ConfigurationError(path: name, problems: [error.problem])
    }
    var problems: [ConfigurationProblem] = []
    for override in overrides {
      do {
        try tree.apply(override: override)
      } catch {
        problems.append(error.problem)
      }
    }
    guard let section = ConfigurationSection(tree) else {
      problems.append(ConfigurationProblem(place: tree.place, text: "expected a mapping of keys, found \(tree.found)"))
      throw ConfigurationError(path: name, problems: problems)
    }
    return (section, problems)
  }
}
