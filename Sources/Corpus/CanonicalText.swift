// A value as text that is equal for equal values, in every process: what a cache's key is made of.

import Checkpoints

/// A value that says itself what counts of it.
protocol CanonicallyDescribed {
  var canonicalText: String { get }
}

/// The text of a value: all that its stored properties hold, found by reflection, so that a new property counts too.
///
/// The order of a dictionary or a set differs between processes. Here their elements are sorted.
func canonicalText(_ value: Any) -> String {
  if let described = value as? any CanonicallyDescribed { return described.canonicalText }
  let mirror = Mirror(reflecting: value)
  let parts = mirror.children.map { child in (child.label.map { "\($0): " } ?? "") + canonicalText(child.value) }
  switch mirror.displayStyle {
  case .dictionary, .set: return "\(mirror.subjectType){" + parts.sorted().joined(separator: ", ") + "}"
  case nil: return String(reflecting: value)
  // A case without a payload has no children, and its name is the whole value.
  case .enum where parts.isEmpty: return "\(mirror.subjectType).\(value)"
  default: return "\(mirror.subjectType)(" + parts.joined(separator: ", ") + ")"
  }
}

/// The tokenizer's files have a part of the key of their own.
extension Tokenizer: CanonicallyDescribed {
  var canonicalText: String { endOfSequenceToken ?? "" }
}

extension ChatTemplate: CanonicallyDescribed {
  var canonicalText: String { jinja }
}
