// The examples of a data set, read one by one: a run has them all, but never all of their tokens in memory.

/// Examples, or some of them, by place. What does not ask for tokens reads none.
package struct ExampleList: Sendable {
  private let bytes: ExampleBytes
  /// The places in `bytes`; nil for all.
  private let places: [Int32]?

  init(_ bytes: ExampleBytes) { (self.bytes, places) = (bytes, nil) }

  private init(_ bytes: ExampleBytes, _ places: [Int32]) { (self.bytes, self.places) = (bytes, places) }

  package var count: Int { places?.count ?? bytes.count }
  package var indices: Range<Int> { 0..<count }

  private func entry(_ place: Int) -> ExampleEntry { bytes.entry(places.map { Int($0[place]) } ?? place) }

  /// The example at a place.
  /// - Throws: `DamagedExamples`.
  package func tree(_ place: Int) throws(DamagedExamples) -> ExampleTree {
    try bytes.tree(places.map { Int($0[place]) } ?? place)
  }

  /// All examples at once.
  /// - Throws: `DamagedExamples`.
  package func trees() throws(DamagedExamples) -> [ExampleTree] {
    var trees: [ExampleTree] = []
    for place in indices { trees.append(try tree(place)) }
    return trees
  }

  /// An example with the right numbers of tokens, which are all 0, and with nothing left unscored.
  package func outline(_ place: Int) -> ExampleTree {
    let entry = entry(place)
    var tree = ExampleTree(
      index: entry.index, prompt: [Int32](repeating: 0, count: entry.promptCount),
      completions: entry.completionCounts.map { [Int32](repeating: 0, count: $0) }, label: entry.label,
      scoresPrompt: entry.scoresPrompt)
    tree.leftOut = entry.leftOut
    return tree
  }

  /// An example's `index`.
  package func index(_ place: Int) -> Int { entry(place).index }

  package func tokenCount(_ place: Int) -> Int { entry(place).tokenCount }

  /// Tokens of the example's record, also those that are not computed.
  package func recordTokens(_ place: Int) -> Int {
    let entry = entry(place)
    return entry.tokenCount + entry.leftOut
  }

  /// `contentDigest` of an example.
  package func digest(_ place: Int) -> ContentDigest { entry(place).digest }

  /// Identifies the prompt of the example's record.
  package func prompt(_ place: Int) -> SIMD2<UInt64> { entry(place).prompt }

  /// The special tokens that end the examples' completions.
  package var ends: [Int32] {
    var found: Set<Int32> = []
    for place in indices { found.formUnion(entry(place).ends) }
    return found.sorted()
  }

  /// The number of examples whose prompt `others` have too.
  package func familiar(to others: ExampleList) -> Int {
    // This one is held out, so it is in memory anyhow.
    let own = Set(indices.map(prompt))
    let shared = Set(others.indices.lazy.map(others.prompt).filter(own.contains))
    return indices.count { shared.contains(prompt($0)) }
  }

  /// The examples at these places.
  func selecting(_ chosen: [Int32]) -> ExampleList {
    ExampleList(bytes, places.map { places in chosen.map { places[Int($0)] } } ?? chosen)
  }
}
