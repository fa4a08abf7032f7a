// A configuration's tree from the events of libyaml, which stays in here.

import CYAML

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

  /// What libyaml found, without what no configuration asks for.
  private struct Event {
    enum Kind {
      case scalar(String, isText: Bool)
      case list, mapping, alias
      /// Of a list or a mapping.
      case end
      case endOfText
      /// The start or the end of a document, the start of the text.
      case boundary
    }

    let kind: Kind
    /// The name that is given to a value, or that an alias stands for.
    let anchor: String?
    /// From 1.
    let line: Int
  }

  /// No configuration needs more. An alias counts as what it stands for: a short text may mean an endless tree.
  private static let maximumValues = 10_000

  private let text: UnsafeMutableBufferPointer<UInt8>
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let argument: ConfigurationProblem.Place?
  private var anchors: [String: ConfigurationTree] = [:]
  private var values = 0

  init(_ yaml: String, argument: ConfigurationProblem.Place?) {
    self.argument = argument
    text = .allocate(capacity: yaml.utf8.count)
    _ = text.initialize(from: yaml.utf8)
    // Without memory for it there is no first event.
    yaml_parser_initialize(parser)
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, text.baseAddress, text.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
    text.deallocate()
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

  private func tree(_ event: Event, at place: Place, level: Int) throws(Unreadable) -> ConfigurationTree {
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

  private func next() throws(Unreadable) -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1, event.type != YAML_NO_EVENT else { throw failure }
    defer { yaml_event_delete(&event) }
    let kind: Event.Kind
    var anchor: UnsafeMutablePointer<UInt8>?
    switch event.type {
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      let isTagged = scalar.tag.map { String(cString: $0) == YAML_STR_TAG } ?? false
      kind = .scalar(text, isText: isTagged || scalar.style != YAML_PLAIN_SCALAR_STYLE)
      anchor = scalar.anchor
    case YAML_SEQUENCE_START_EVENT: (kind, anchor) = (.list, event.data.sequence_start.anchor)
    case YAML_MAPPING_START_EVENT: (kind, anchor) = (.mapping, event.data.mapping_start.anchor)
    case YAML_ALIAS_EVENT: (kind, anchor) = (.alias, event.data.alias.anchor)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .end
    case YAML_STREAM_END_EVENT: kind = .endOfText
    default: kind = .boundary
    }
    return Event(kind: kind, anchor: anchor.map { String(cString: $0) }, line: event.start_mark.line + 1)
  }

  private func place(_ event: Event) -> Place { argument ?? .line(event.line) }

  /// Why there is no next event.
  private var failure: Unreadable {
    let state = parser.pointee
    // Bytes that are no characters have an offset and no line.
    let line =
      state.error == YAML_READER_ERROR
      ? text.prefix(state.problem_offset).count { $0 == UInt8(ascii: "\n") } : state.problem_mark.line
    let reason = state.problem.map { String(cString: $0) } ?? "not enough memory"
    return Unreadable("not YAML: \(reason)", at: argument ?? .line(line + 1))
  }
}
