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
    package var training: [ExampleTree]
    package var validation: [ExampleTree]
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
    let groups = examplesByPrompt
    guard groups.count > 1 else {
      throw CorpusError.badValidationSize(
        "all \(examples.count) examples have the same prompt or are of one record, and such examples stay together: "
          + "divide the data into more records, or name other data in test_datasets")
    }
    let order = CounterRandom(key: seed).permutation(count: groups.count, stream: RandomStream.validation)
      .map { groups[$0] }
    var held = Set<Int>()
    for group in order where held.count + group.count <= wanted { held.formUnion(group) }
    if held.isEmpty { held.formUnion(order.min { $0.count < $1.count } ?? []) }
    return Split(
      training: examples.indices.filter { !held.contains($0) }.map { examples[$0] },
      validation: held.sorted().map { examples[$0] }, wanted: wanted)
  }

  /// Places of the examples with the same prompt, prompts in the order of the data.
  private var examplesByPrompt: [[Int]] {
    var groups: [[Int]] = []
    var places: [[UInt8]: Int] = [:]
    for (example, prompt) in prompts.enumerated() {
      if let place = places[prompt] {
        groups[place].append(example)
      } else {
        places[prompt] = groups.count
        groups.append([example])
      }
    }
    return groups
  }
}
