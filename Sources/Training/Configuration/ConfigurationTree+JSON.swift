// The YAML of a configuration as JSON, for values that are handed on.

import Checkpoints

extension JSONValue {
  init(_ tree: ConfigurationTree) {
    switch tree.content {
    case .null: self = .null
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int64(value))
    case .number(let value): self = .number(value)
    case .text(let value): self = .string(value)
    case .list(let items): self = .array(items.map(JSONValue.init))
    case .mapping(let members): self = .object(members.map { Member($0.name, JSONValue($0.tree)) })
    }
  }
}

extension ConfigurationTree {
  init(_ json: JSONValue) {
    switch json {
    case .null, .unusable: self = .null
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int(value))
    case .number(let value): self = .number(value)
    case .string(let value): self = .text(value)
    case .array(let elements): self = .list(elements.map(ConfigurationTree.init))
    case .object(let members):
      self = Self(.mapping(members.map { Member(name: $0.name, tree: ConfigurationTree($0.value)) }))
    }
  }
}
