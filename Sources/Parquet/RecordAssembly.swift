// Puts nested values together from the levels of their leaves: "Dremel: Interactive Analysis of Web-Scale Datasets"
// (Melnik et al., 2010), section 4.3, by recursion over the schema instead of the paper's state machine.

import Checkpoints

/// A field that may be absent as a whole.
private protocol GroupReader: FieldReader {
  var children: [any FieldReader] { get }
  /// The definition levels from which on it is there, and its parent is there.
  var presence: Presence { get }
}

private struct Presence {
  let own: UInt32
  let parent: UInt32

  init(_ node: SchemaNode) {
    own = node.definitionLevel
    parent = node.element.repetition == .optional ? own - 1 : own
  }

  /// Of a list that is there whenever its parent is.
  init(parent: UInt32) { (own, self.parent) = (parent, parent) }
}

extension GroupReader {
  func definition() throws(ParquetError) -> UInt32 { try children[0].definition() }

  func continues(at repetition: UInt32) throws(ParquetError) -> Bool { try children[0].continues(at: repetition) }

  var disagreement: ParquetError { children[0].disagreement }

  func skip(at repetition: UInt32, definition: UInt32) throws(ParquetError) {
    for child in children { try child.skip(at: repetition, definition: definition) }
  }
}

private final class StructReader: GroupReader {
  let children: [any FieldReader]
  let presence: Presence
  private let names: [String]

  init(_ children: [any FieldReader], names: [String], _ presence: Presence) {
    (self.children, self.names, self.presence) = (children, names, presence)
  }

  func read(at repetition: UInt32) throws(ParquetError) -> JSONValue {
    let definition = try definition()
    guard definition >= presence.own else {
      guard definition >= presence.parent else { throw disagreement }
      try skip(at: repetition, definition: definition)
      return .null
    }
    var members: [JSONValue.Member] = []
    members.reserveCapacity(children.count)
    for (name, child) in zip(names, children) { members.append(JSONValue.Member(name, try child.read(at: repetition))) }
    return .object(members)
  }
}

/// The elements of one repeated node.
private final class ListReader: GroupReader {
  let children: [any FieldReader]
  let presence: Presence
  /// The levels of the repeated node.
  private let repetition: UInt32
  private let definition: UInt32
  private let form: Form

  enum Form {
    case list
    /// Of pairs whose first part is a text.
    case object
    case pairs
  }

  init(_ element: any FieldReader, of repeated: SchemaNode, _ presence: Presence, _ form: Form = .list) {
    (children, self.presence, self.form) = ([element], presence, form)
    (repetition, definition) = (repeated.repetitionLevel, repeated.definitionLevel)
  }

  func read(at outer: UInt32) throws(ParquetError) -> JSONValue {
    let found = try definition()
    guard found >= definition else {
      guard found >= presence.parent else { throw disagreement }
      try skip(at: outer, definition: found)
      // A definition level says how much of the path is there: the list, but no element, or not even the list.
      return found < presence.own ? .null : form == .object ? .object([]) : .array([])
    }
    var elements: [JSONValue] = [try children[0].read(at: outer)]
    while try children[0].continues(at: repetition) { elements.append(try children[0].read(at: repetition)) }
    return switch form {
    case .list: .array(elements)
    case .pairs: .array(elements.map { pair in .array((pair.members ?? []).map(\.value)) })
    case .object: Self.object(elements)
    }
  }

  private static func object(_ pairs: [JSONValue]) -> JSONValue {
    var members: [JSONValue.Member] = []
    members.reserveCapacity(pairs.count)
    var places: [[UInt8]: Int] = [:]
    for pair in pairs {
      guard let key = pair.members?.first?.value.string else {
        return .unusable(JSONSyntaxError(reason: "a map with a key that is not valid UTF-8"))
      }
      let value = (pair.members?.count ?? 0) > 1 ? pair.members?[1].value ?? .null : .null
      let bytes = Array(key.utf8)
      if let place = places[bytes] {
        members[place].value = .unusable(JSONSyntaxError(reason: "two values of one key of a map"))
      } else {
        places[bytes] = members.count
        members.append(JSONValue.Member(key, value))
      }
    }
    return .object(members)
  }
}

/// Builds the readers of a column.
struct RecordAssembly {
  /// Every leaf of the column, in the order of the file.
  private(set) var leaves: [LeafReader] = []
  private let leaf: (SchemaNode) throws(ParquetFlaw) -> LeafReader

  init(leaf: @escaping (SchemaNode) throws(ParquetFlaw) -> LeafReader) { self.leaf = leaf }

  /// - Throws: if the column, or a part of it, has a form or type that cannot be read.
  mutating func reader(of node: SchemaNode) throws(ParquetFlaw) -> any FieldReader {
    // A repeated node that no list or map owns is a list by itself.
    guard node.element.repetition == .repeated else { return try content(of: node) }
    return ListReader(try content(of: node), of: node, Presence(parent: node.definitionLevel - 1))
  }

  /// One value of a node, without its own repetition.
  private mutating func content(of node: SchemaNode) throws(ParquetFlaw) -> any FieldReader {
    guard node.element.type == nil else {
      let reader = try leaf(node)
      leaves.append(reader)
      return reader
    }
    guard !node.children.isEmpty else { throw ParquetFlaw("\(node.path) is a group without fields") }
    if let repeated = node.children.first, node.children.count == 1, repeated.element.repetition == .repeated {
      switch node.element.logical {
      case .list: return ListReader(try element(of: repeated, in: node), of: repeated, Presence(node))
      case .map where repeated.children.count == 2: return try map(repeated, in: node)
      // A set: only keys.
      case .map where repeated.children.count == 1:
        return ListReader(try reader(of: repeated.children[0]), of: repeated, Presence(node))
      default: break
      }
    }
    return try structure(node)
  }

  private mutating func structure(_ node: SchemaNode) throws(ParquetFlaw) -> any FieldReader {
    let names = node.children.map(\.element.name)
    guard Set(names.map { Array($0.utf8) }).count == names.count else {
      throw ParquetFlaw("\(node.path) has two fields of one name")
    }
    var children: [any FieldReader] = []
    for child in node.children { children.append(try reader(of: child)) }
    return StructReader(children, names: names, Presence(node))
  }

  /// The element of a list: in the middle of three levels of nodes, or by the rules for older files of two levels.
  private mutating func element(
    of repeated: SchemaNode, in list: SchemaNode
  ) throws(ParquetFlaw) -> any FieldReader {
    let name = repeated.element.name
    guard repeated.children.count == 1, let child = repeated.children.first, child.element.repetition != .repeated,
      repeated.element.logical != .list, repeated.element.logical != .map,
      name != "array", name != "\(list.element.name)_tuple"
    else { return try content(of: repeated) }
    return try reader(of: child)
  }

  private mutating func map(_ repeated: SchemaNode, in map: SchemaNode) throws(ParquetFlaw) -> any FieldReader {
    let key = repeated.children[0].element
    let isText = key.repetition == .required && key.type == .byteArray && (try? ValueKind(key)) == .text
    return ListReader(
      try structure(repeated), of: repeated, Presence(map), isText ? .object : .pairs)
  }
}
