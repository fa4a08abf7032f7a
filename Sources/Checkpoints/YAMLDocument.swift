// A YAML text as a value: bounded, with aliases and merged mappings resolved.

/// The first document of a YAML text.
package struct YAMLDocument {
  /// What a text may come to. Aliases count as what they stand for, so that they cannot multiply.
  package struct Limits: Sendable {
    package var values, levels: Int

    package init(values: Int, levels: Int) { (self.values, self.levels) = (values, levels) }
  }

  package let value: JSONValue
  /// The lines of the names of the first level, from 1.
  package let lines: [String: Int]
  /// The scalars with a tag of the text's own, such as `!function`.
  package let tagged: [(tag: String, text: String, line: Int)]

  /// - Parameter scalar: the value of a scalar without quotes and tag.
  /// - Throws: `YAMLEvents.Failure` for what is no YAML, and beyond the limits.
  package init(
    _ text: String, limits: Limits, scalar: @escaping (String) -> JSONValue = YAMLScalar.value
  ) throws(YAMLEvents.Failure) {
    var reader = YAMLDocumentReader(text, limits, scalar)
    value = try reader.document()
    (lines, tagged) = (reader.lines, reader.tagged)
  }
}

private struct YAMLDocumentReader {
  private(set) var lines: [String: Int] = [:]
  private(set) var tagged: [(tag: String, text: String, line: Int)] = []
  private let events: YAMLEvents
  private let limits: YAMLDocument.Limits
  private let scalar: (String) -> JSONValue
  /// What names stand for, with the values and the levels in it.
  private var anchors: [String: (value: JSONValue, count: Int, levels: Int)] = [:]
  private var count = 0
  /// The deepest level since the value of an anchor began.
  private var deepest = 0

  init(_ text: String, _ limits: YAMLDocument.Limits, _ scalar: @escaping (String) -> JSONValue) {
    (events, self.limits, self.scalar) = (YAMLEvents(text), limits, scalar)
  }

  mutating func document() throws(YAMLEvents.Failure) -> JSONValue {
    var event = try events.next()
    while case .boundary = event.kind { event = try events.next() }
    if case .endOfText = event.kind { return .null }
    return try value(event, level: 1)
  }

  private mutating func value(_ event: YAMLEvents.Event, level: Int) throws(YAMLEvents.Failure) -> JSONValue {
    if case .alias = event.kind {
      guard let known = event.anchor.flatMap({ anchors[$0] }) else {
        throw YAMLEvents.Failure("an alias of nothing", line: event.line)
      }
      try spend(known.count, level + known.levels - 1, event)
      return known.value
    }
    guard let name = event.anchor else { return try content(event, level: level) }
    let (outer, before) = (deepest, count)
    deepest = level
    let value = try content(event, level: level)
    anchors[name] = (value, count - before, deepest - level + 1)
    deepest = max(deepest, outer)
    return value
  }

  private mutating func spend(_ values: Int, _ level: Int, _ event: YAMLEvents.Event) throws(YAMLEvents.Failure) {
    count += values
    deepest = max(deepest, level)
    guard count <= limits.values, level <= limits.levels else {
      throw YAMLEvents.Failure(
        "more than \(limits.values) values, with those of aliases, or \(limits.levels) levels", line: event.line)
    }
  }

  private mutating func content(_ event: YAMLEvents.Event, level: Int) throws(YAMLEvents.Failure) -> JSONValue {
    try spend(1, level, event)
    switch event.kind {
    case .scalar(let text, let isText):
      if let tag = event.tag { tagged.append((tag, text, event.line)) }
      return isText || event.tag != nil ? .string(text) : scalar(text)
    case .list:
      var items: [JSONValue] = []
      while let next = try inside() { items.append(try value(next, level: level + 1)) }
      return .array(items)
    case .mapping: return .object(try members(level: level))
    case .alias, .end, .endOfText, .boundary: throw YAMLEvents.Failure("a value was expected", line: event.line)
    }
  }

  /// The members of a mapping. Of equal names the last counts; a mapping's own names go before merged ones (`<<`).
  private mutating func members(level: Int) throws(YAMLEvents.Failure) -> [JSONValue.Member] {
    var members: [JSONValue.Member] = []
    var places: [String: Int] = [:]
    var merged: [JSONValue.Member] = []
    while let key = try inside() {
      guard case .scalar(let name, let isText) = key.kind else {
        throw YAMLEvents.Failure("a name was expected", line: key.line)
      }
      try spend(1, level, key)
      let value = try self.value(events.next(), level: level + 1)
      if name == "<<", !isText {
        for source in value.array ?? [value] {
          guard let others = source.members else {
            throw YAMLEvents.Failure("<< merges mappings alone", line: key.line)
          }
          merged += others
        }
        continue
      }
      if level == 1 { lines[name] = key.line }
      if let place = places[name] {
        members[place].value = value
      } else {
        places[name] = members.count
        members.append(.init(name, value))
      }
    }
    for member in merged where places[member.name] == nil {
      places[member.name] = members.count
      members.append(member)
    }
    return members
  }

  /// The next event inside a list or a mapping; nil at its end.
  private func inside() throws(YAMLEvents.Failure) -> YAMLEvents.Event? {
    let event = try events.next()
    if case .end = event.kind { return nil }
    return event
  }
}
