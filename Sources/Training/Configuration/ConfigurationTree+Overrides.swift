// `a.b.0.c=value` of the command line, put into the tree that came from the file.

extension ConfigurationTree {
  /// Sets the value that `argument` names; a missing mapping on the way is made.
  ///
  /// The value is YAML; `key=` sets an empty one. A list takes an index up to its count, which appends.
  /// - Throws: `Unreadable` when the argument has no `=`, its value is not YAML or its path does not fit.
  mutating func apply(override argument: String) throws(Unreadable) {
    let place = ConfigurationProblem.Place.override(argument)
    guard let separator = argument.firstIndex(of: "="), separator != argument.startIndex else {
      throw Unreadable("expected key=value, for example seed=7", at: place)
    }
    let path = argument[..<separator].split(separator: ".", omittingEmptySubsequences: false)
    guard path.count <= Self.maximumDepth else {
      throw Unreadable("expected at most \(Self.maximumDepth) parts before the =", at: place)
    }
    let value = try ConfigurationTree(yaml: String(argument[argument.index(after: separator)...]), override: argument)
    if isNull { content = .mapping([]) }
    try set(value, at: path.map(String.init)[...], walked: "", place: place)
  }

  private mutating func set(
    _ value: ConfigurationTree, at path: ArraySlice<String>, walked: String, place: ConfigurationProblem.Place
  ) throws(Unreadable) {
    guard let name = path.first else {
      self = value
      return
    }
    let rest = path.dropFirst()
    let next = walked.isEmpty ? name : "\(walked).\(name)"
    if isNull { content = Int(name) == nil ? .mapping([]) : .list([]) }
    switch content {
    case .mapping(var members):
      let index = members.firstIndex { $0.name == name } ?? members.count
      if index == members.count { members.append(Member(name: name, tree: ConfigurationTree(.null, place: place))) }
      try members[index].tree.set(value, at: rest, walked: next, place: place)
      content = .mapping(members)
    case .list(var items):
      guard let index = Int(name), (0...items.count).contains(index) else {
        throw Unreadable(
          "`\(walked)` is a list of \(items.count): expected an index from 0 to \(items.count), found \"\(name)\"",
          at: place)
      }
      if index == items.count { items.append(ConfigurationTree(.null, place: place)) }
      try items[index].set(value, at: rest, walked: next, place: place)
      content = .list(items)
    default:
      throw Unreadable("`\(walked)` is \(found) and has no part \"\(name)\"", at: place)
    }
  }
}
