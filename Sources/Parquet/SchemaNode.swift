// The schema as a tree, with the levels that Dremel's encoding gives its nodes.

/// A column of the file, or a part of a nested one.
struct SchemaNode: Sendable {
  let element: SchemaElement
  let children: [SchemaNode]
  /// The name with those of its parents, for messages: `messages.list.element.role`. A long one is cut.
  let path: String
  /// Where its leaves' chunks are in a row group.
  let leaves: Range<Int>
  /// How many repeated nodes there are from the root to here.
  let repetitionLevel: UInt32
  /// How many nodes there are from the root to here that may be absent.
  let definitionLevel: UInt32

  private static let maximumDepth = 64

  /// The top-level columns.
  static func roots(of elements: [SchemaElement]) throws(ParquetFlaw) -> [SchemaNode] {
    guard let root = elements.first, root.type == nil else { throw ParquetFlaw("the schema has no root") }
    var (next, leaf) = (1, 0)
    let place = Place(path: "", repetition: 0, definition: 0, depth: 0)
    let roots = try children(of: root, in: elements, at: place, next: &next, leaf: &leaf)
    guard next == elements.count else {
      throw ParquetFlaw("the schema has \(elements.count) elements, but only \(next) are below its root")
    }
    return roots
  }

  private static func path(of name: String, in parent: String) -> String {
    if parent.isEmpty { return String(name.prefix(200)) }
    return parent.utf8.count > 200 ? parent : "\(parent).\(name.prefix(200))"
  }

  private struct Place {
    var path: String
    var repetition: UInt32
    var definition: UInt32
    var depth: Int
  }

  private static func children(
    of parent: SchemaElement, in elements: [SchemaElement], at place: Place, next: inout Int, leaf: inout Int
  ) throws(ParquetFlaw) -> [SchemaNode] {
    guard place.depth < maximumDepth else { throw ParquetFlaw("the schema is nested deeper than \(maximumDepth)") }
    guard parent.childCount <= elements.count - next else {
      throw ParquetFlaw("the schema ends inside \"\(place.path)\"")
    }
    var nodes: [SchemaNode] = []
    for _ in 0..<parent.childCount {
      guard next < elements.count else { throw ParquetFlaw("the schema ends inside \"\(place.path)\"") }
      let element = elements[next]
      next += 1
      let inner = Place(
        path: path(of: element.name, in: place.path),
        repetition: place.repetition + (element.repetition == .repeated ? 1 : 0),
        definition: place.definition + (element.repetition == .required ? 0 : 1), depth: place.depth + 1)
      let start = leaf
      if element.type != nil { leaf += 1 }
      let children = try children(of: element, in: elements, at: inner, next: &next, leaf: &leaf)
      nodes.append(
        SchemaNode(
          element: element, children: children, path: inner.path, leaves: start..<leaf,
          repetitionLevel: inner.repetition, definitionLevel: inner.definition))
    }
    return nodes
  }
}
