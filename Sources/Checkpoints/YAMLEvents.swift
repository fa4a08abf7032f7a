// YAML as libyaml finds it, piece by piece; libyaml stays in here.

internal import CYAML

/// The events of a YAML text, one after the other.
package final class YAMLEvents {
  /// What libyaml found, without what nobody here asks for.
  package struct Event {
    package enum Kind {
      case scalar(String, isText: Bool)
      case list, mapping, alias
      /// Of a list or a mapping.
      case end
      case endOfText
      /// The start or the end of a document, the start of the text.
      case boundary
    }

    package let kind: Kind
    /// The name that is given to a value, or that an alias stands for.
    package let anchor: String?
    /// A tag of the text's own, such as `!function`.
    package let tag: String?
    /// From 1.
    package let line: Int
  }

  /// Text that is not YAML.
  package struct Failure: Error {
    package let reason: String
    /// From 1.
    package let line: Int

    package init(_ reason: String, line: Int) { (self.reason, self.line) = (reason, line) }
  }

  private let text: UnsafeMutableBufferPointer<UInt8>
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)

  package init(_ yaml: String) {
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

  package func next() throws(Failure) -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1, event.type != YAML_NO_EVENT else { throw failure }
    defer { yaml_event_delete(&event) }
    let kind: Event.Kind
    var tag: String?
    var anchor: UnsafeMutablePointer<UInt8>?
    switch event.type {
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      tag = scalar.tag.map { String(cString: $0) }
      let isTagged = tag == YAML_STR_TAG
      kind = .scalar(text, isText: isTagged || scalar.style != YAML_PLAIN_SCALAR_STYLE)
      anchor = scalar.anchor
    case YAML_SEQUENCE_START_EVENT: (kind, anchor) = (.list, event.data.sequence_start.anchor)
    case YAML_MAPPING_START_EVENT: (kind, anchor) = (.mapping, event.data.mapping_start.anchor)
    case YAML_ALIAS_EVENT: (kind, anchor) = (.alias, event.data.alias.anchor)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .end
    case YAML_STREAM_END_EVENT: kind = .endOfText
    default: kind = .boundary
    }
    return Event(kind: kind, anchor: anchor.map { String(cString: $0) }, tag: tag, line: event.start_mark.line + 1)
  }

  /// Why there is no next event.
  private var failure: Failure {
    let state = parser.pointee
    // Bytes that are no characters have an offset and no line.
    let line =
      state.error == YAML_READER_ERROR
      ? text.prefix(state.problem_offset).count { $0 == UInt8(ascii: "\n") } : state.problem_mark.line
    return Failure(state.problem.map { String(cString: $0) } ?? "not enough memory", line: line + 1)
  }
}
