// How much memory a call of many answers takes on a rank.

import Model
import Tensors

/// The memory demand of answers.
package struct GenerationDemand: Equatable {
  /// The most tokens of a prompt and its answer.
  package var capacity: Int
  /// Answers at once on a rank.
  package var slots: Int
  /// Tokens of an answer and of what its prompt does not share with its neighbour, the largest first.
  private var own: [Int]

  /// - Parameter requests: in the order of their prompts.
  init(_ requests: [GenerationRequest], ranks: Int, most: Int) {
    capacity = requests.reduce(1) { max($0, $1.prompt.count + $1.options.maximumNewTokens) }
    slots = max(1, min(most, (requests.count + ranks - 1) / ranks))
    var before: [Int32] = []
    own = requests.map { request in
      let shared = before.commonPrefixCount(request.prompt)
      before = request.prompt
      return request.prompt.count - shared + request.options.maximumNewTokens
    }.sorted(by: >)
  }

  /// Tokens in the cache: one whole answer, what the others have for themselves, and room for beginnings that are used
  /// again.
  var cached: Int { 2 * capacity + own.prefix(slots).reduce(0, +) }

  /// The same with fewer answers at once, if memory is short. With a single answer the generator says what is missing.
  func fitting(
    _ configuration: ModelConfiguration, available: Int? = ProcessMemory.availableBytes, ranksOnNode: Int
  ) -> GenerationDemand {
    var demand = self
    guard let available else { return demand }
    while demand.slots > 1,
      Generator.byteCount(configuration, capacity: capacity, slots: demand.slots, cached: demand.cached)
        > available / ranksOnNode
    {
      demand.slots /= 2
    }
    return demand
  }
}
