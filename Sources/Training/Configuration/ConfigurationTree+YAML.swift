// A configuration's tree from the events of its YAML.

import Checkpoints

extension ConfigurationTree {
  /// Reads one YAML document; an empty one is null.
  /// - Parameter override: The argument the text belongs to; without it, places are lines of `yaml`.
  /// - Throws: `Unreadable` for text that is not YAML, or that means more than any configuration does.
  init(yaml: String, override: String? = nil) throws(Unreadable) {
    self = try YAMLReader(yaml, argument: override.map { .override($0) }).document()
  }

  /// Text that is not one YAML document.
  struct Unreadable: Error {
    var problem: ConfigurationProblem

    init(_ text: String, at place: ConfigurationProblem.Place) {
      problem = ConfigurationProblem(place: place, text: text)
    }
  }

  /// The values in here, and in how many levels.
  fileprivate var extent: (values: Int, levels: Int) {
    let parts: [(values: Int, levels: Int)]
    switch content {
    case .list(let items): parts = items.map(\.extent)
    case .mapping(let members): parts = members.map(\.tree.extent)
    default: parts = []
    }
    return (parts.reduce(1) { $0 + $1.values }, parts.reduce(0) { max($0, $1.levels) } + 1)
  }
}

/// One YAML text on its way to a tree.
private final class YAMLReader {
  private typealias Place = ConfigurationProblem.Place
  private typealias Unreadable = ConfigurationTree.Unreadable

  /// No configuration needs more. An alias counts as what it stands for: a short text may mean an endless tree.
  private static let maximumValues = 10_000

  private let events: YAMLEvents
  private let argument: ConfigurationProblem.Place?
  private var anchors: [String: ConfigurationTree] = [:]
  private var values = 0

  init(_ yaml: String, argument: ConfigurationProblem.Place?) {
    (events, self.argument) = (YAMLEvents(yaml), argument)
  }

  func document() throws(ConfigurationTree.Unreadable) -> ConfigurationTree {
    _ = try next()
    let start = argument ?? .line(1)
    if case .endOfText = try next().kind { return ConfigurationTree(.null, place: start) }
    let tree = try tree(next(), at: start, level: 1)
    _ = try next()
    let rest = try next()
    guard case .endOfText = rest.kind else {
      throw Unreadable("not YAML: expected one document, found another document", at: place(rest))
    }
    return tree
  }

  private func tree(_ event: YAMLEvents.Event, at place: Place, level: Int) throws(Unreadable) -> ConfigurationTree {
    var extent = (values: 1, levels: 1)
    var content = ConfigurationTree.Content.null
    if case .alias = event.kind {
      guard let known = event.anchor.flatMap({ anchors[$0] }) else {
        throw Unreadable("not YAML: found undefined alias", at: place)
      }
      (content, extent) = (known.content, known.extent)
    }
    values += extent.values
    guard values <= Self.maximumValues, level + extent.levels - 1 <= ConfigurationTree.maximumDepth else {
      throw Unreadable(
        "expected at most \(Self.maximumValues) values in \(ConfigurationTree.maximumDepth) levels, aliases unfolded",
        at: place)
    }
    switch event.kind {
    case .scalar(let text, let isText): content = isText ? .text(text) : ConfigurationTree.content(ofPlain: text)
    case .list: content = .list(try items(level: level + 1))
    case .mapping: content = .mapping(try members(level: level + 1))
    case .alias, .end, .endOfText, .boundary: break
    }
    let tree = ConfigurationTree(content, place: place)
    if let name = event.anchor { anchors[name] = tree }
    return tree
  }

  private func items(level: Int) throws(Unreadable) -> [ConfigurationTree] {
    var items: [ConfigurationTree] = []
    while true {
      let event = try next()
      if case .end = event.kind { return items }
      items.append(try tree(event, at: place(event), level: level))
    }
  }

  private func members(level: Int) throws(Unreadable) -> [ConfigurationTree.Member] {
    var members: [ConfigurationTree.Member] = []
    var merged: [ConfigurationTree.Member] = []
    var names: Set<String> = []
    while true {
      let event = try next()
      if case .end = event.kind { return merged.filter { !names.contains($0.name) } + members }
      // A value's place is its key's line: that is where the reader looks.
      let place = place(event)
      guard case .scalar(let name, let isText) = event.kind else {
        throw Unreadable("expected a key, found a list, a mapping or an alias in its place", at: place)
      }
      if name == "<<", !isText {
        for member in try Self.merged(tree(next(), at: place, level: level)) {
          merged.removeAll { $0.name == member.name }
          merged.append(member)
        }
        continue
      }
      let tree = try tree(next(), at: place, level: level)
      if !names.insert(name).inserted, let index = members.firstIndex(where: { $0.name == name }) {
        members[index].replaced.append(members[index].tree.place)
        members[index].tree = tree
      } else {
        members.append(.init(name: name, tree: tree))
      }
    }
  }

  /// The members that a merge key (`<<`) brings into its mapping: those of one mapping, or of several, of which an
  /// earlier one goes first. As in PyYAML, the mapping's own keys and those of a later `<<` take their place.
  private static func merged(_ tree: ConfigurationTree) throws(Unreadable) -> [ConfigurationTree.Member] {
    let sources: [ConfigurationTree]
    if case .list(let items) = tree.content { sources = items } else { sources = [tree] }
    var members: [ConfigurationTree.Member] = []
    var names: Set<String> = []
    for source in sources {
      guard case .mapping(let own) = source.content else {
        throw Unreadable(
          "`<<` merges mappings: expected a mapping or a list of mappings, found \(source.found)", at: tree.place)
      }
      members += own.filter { names.insert($0.name).inserted }
    }
    return members
  }

  private func next() throws(Unreadable) -> YAMLEvents.Event {
    do { return try events.next() } catch {
      throw Unreadable("not YAML: \(error.reason)", at: argument ?? .line(error.line))
    }
  }

  private func place(_ event: YAMLEvents.Event) -> Place { argument ?? .line(event.line) }
}
