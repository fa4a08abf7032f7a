// How much two sequences begin with alike.

extension Sequence where Element: Equatable {
  /// The number of elements at the beginning that the other sequence has there too.
  package func commonPrefixCount(_ other: some Sequence<Element>) -> Int { zip(self, other).prefix { $0 == $1 }.count }
}
