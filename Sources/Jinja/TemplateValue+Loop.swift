// What a loop knows of itself.

/// `loop`, which goes along with the loop and remembers what `loop.changed` saw.
final class TemplateLoopState: @unchecked Sendable {
  // Sendable because one rendering, on one thread, uses it.
  private let elements: [TemplateValue]
  var place = 0
  private var seen: [TemplateValue]?

  init(_ elements: [TemplateValue]) { self.elements = elements }

  subscript(name: String) -> TemplateValue {
    let count = elements.count
    switch name {
    case "index": return .integer(place + 1)
    case "index0": return .integer(place)
    case "revindex": return .integer(count - place)
    case "revindex0": return .integer(count - place - 1)
    case "first": return .bool(place == 0)
    case "last": return .bool(place == count - 1)
    case "length": return .integer(count)
    case "depth": return .integer(1)
    case "depth0": return .integer(0)
    case "previtem": return place > 0 ? elements[place - 1] : .undefined("loop.previtem")
    case "nextitem": return place + 1 < count ? elements[place + 1] : .undefined("loop.nextitem")
    case "cycle":
      return .function(
        TemplateFunction(name: "cycle") { _, arguments in
          guard !arguments.positional.isEmpty else { throw TemplateProblem("cycle needs values") }
          return arguments.positional[self.place % arguments.positional.count]
        })
    case "changed":
      return .function(
        TemplateFunction(name: "changed") { budget, arguments in
          let values = arguments.positional
          let isSame = try self.seen.map { try TemplateValue.list($0).isEqual(to: .list(values), budget) } ?? false
          self.seen = values
          return .bool(!isSame)
        })
    default: return .undefined(name)
    }
  }
}
