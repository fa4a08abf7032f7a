// The resolved configuration for people: every value, and where it came from.

/// What `shoal config` shows.
package struct ConfigurationListing: Sendable {
  package let configuration: RunConfiguration
  /// YAML that reads back to the same configuration; comments name each value's source.
  package let text: String

  /// - Throws: `ConfigurationError` with every problem of the file and the overrides.
  package init(path: String, overrides: [String] = []) throws(ConfigurationError) {
    let yaml = try RunConfiguration.text(of: path)
    configuration = try RunConfiguration(yaml: yaml, name: path, overrides: overrides)
    let (section, _) = try RunConfiguration.section(yaml: yaml, name: path, overrides: overrides)
    let lines = ConfigurationKeys.run.lines(configuration).map { key, value in
      (value.line(of: key.name), Self.source(of: key, in: section))
    }
    // Comments stand in a column, except after the few long values.
    let width = 48
    text = lines.map { line, source in
      line + String(repeating: " ", count: max(1, width - line.count)) + "# \(source)\n"
    }.joined()
  }

  private static func source(of key: ConfigurationKeys.Key, in section: ConfigurationSection) -> String {
    let parts = ConfigurationKeys.run.keys.filter { $0.wholes.contains(key.name) }
    let sources = (key.spellings + parts.map(\.name)).compactMap { name -> String? in
      guard let tree = section[name] else { return nil }
      let places = [tree.place] + tree.overrides.filter { $0 != tree.place }
      return places.map(text).joined(separator: ", ") + (name == key.name ? "" : " (\(name))")
    }
    return sources.isEmpty ? "default" : sources.joined(separator: ", ")
  }

  private static func text(_ place: ConfigurationProblem.Place) -> String {
    switch place {
    case .file: "file"
    case .line(let line): "file, line \(line)"
    case .override(let argument): "override \(argument)"
    }
  }
}

extension ConfigurationTree {
  /// The overrides that gave any part of the value, each once.
  fileprivate var overrides: [ConfigurationProblem.Place] {
    let parts: [ConfigurationTree] =
      switch content {
      case .list(let items): items
      case .mapping(let members): members.map(\.tree)
      default: []
      }
    var found: [ConfigurationProblem.Place] = []
    if case .override = place { found.append(place) }
    for place in parts.flatMap(\.overrides) where !found.contains(place) { found.append(place) }
    return found
  }
}
