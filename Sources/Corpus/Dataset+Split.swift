// Holds out examples for evaluations, never a part of a record or of a prompt's examples: a model that was trained on one
// of them has seen what the others ask.

import Tensors

/// `val_set_size`: the amount of data that is held out.
package enum ValidationSize: Sendable, Equatable {
  /// A share between 0 and 1, rounded up to whole examples.
  case share(Double)
  case count(Int)
}

extension Dataset {
  package struct Split {
    package var training: ExampleList
    package var validation: ExampleList
    /// The number of examples that the size asks for. As many are held out if no two have the same prompt.
    package var wanted: Int
  }

  /// Holds out examples that the seed selects; both parts keep the order of the data.
  ///
  /// All examples with the same prompt go to one side. Prompts are taken in an order that the seed selects, each if its
  /// examples still fit; if not even one fits, the prompt with the fewest.
  /// - Throws: `CorpusError` if one part would be empty.
  package func split(holdingOut size: ValidationSize, seed: UInt64) throws -> Split {
    let wanted: Int
    switch size {
    case .count(let count): wanted = count
    case .share(let share):
      guard share > 0, share < 1 else {
        throw CorpusError.badValidationSize("expected a share between 0 and 1 or a count, found \(share)")
      }
      wanted = Int((share * Double(examples.count)).rounded(.up))
    }
    guard wanted > 0, wanted < examples.count else {
      throw CorpusError.badValidationSize(
        "holding out \(wanted) of \(examples.count) examples leaves none on one side")
    }
    let (prompts, sizes) = examplePrompts
    guard sizes.count > 1 else {
      throw CorpusError.badValidationSize(
        "all \(examples.count) examples have the same prompt or are of one record, and such examples stay together: "
          + "divide the data into more records, or name other data in test_datasets")
    }
    let order = CounterRandom(key: seed).permutation(count: sizes.count, stream: RandomStream.validation)
    var isHeld = [Bool](repeating: false, count: sizes.count)
    var count = 0
    for prompt in order where count + Int(sizes[prompt]) <= wanted {
      isHeld[prompt] = true
      count += Int(sizes[prompt])
    }
    if count == 0, let smallest = order.min(by: { sizes[$0] < sizes[$1] }) { isHeld[smallest] = true }
    func places(held: Bool) -> [Int32] {
      (0..<Int32(examples.count)).filter { isHeld[Int(prompts[Int($0)])] == held }
    }
    return Split(
      training: examples.selecting(places(held: false)), validation: examples.selecting(places(held: true)),
      wanted: wanted)
  }

  /// The number of each example's prompt, prompts in the order of the data, and the number of each prompt's examples.
  private var examplePrompts: (prompts: [Int32], sizes: [Int32]) {
    let digests = examples.indices.map { examples.prompt($0) }
    // Equal prompts side by side, the first example first.
    let sorted = (0..<Int32(digests.count)).sorted {
      let (left, right) = (digests[Int($0)], digests[Int($1)])
      return (left[0], left[1], $0) < (right[0], right[1], $1)
    }
    var prompts = [Int32](repeating: 0, count: digests.count)
    var first: Int32 = 0
    for (rank, place) in sorted.enumerated() {
      if rank == 0 || digests[Int(place)] != digests[Int(sorted[rank - 1])] { first = place }
      prompts[Int(place)] = first
    }
    // So far a prompt is named by its first example.
    var sizes: [Int32] = []
    for place in prompts.indices {
      let first = Int(prompts[place])
      if first == place {
        prompts[place] = Int32(sizes.count)
        sizes.append(1)
      } else {
        prompts[place] = prompts[first]
        sizes[Int(prompts[place])] += 1
      }
    }
    return (prompts, sizes)
  }
}
