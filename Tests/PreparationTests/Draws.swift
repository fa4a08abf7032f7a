// Random choices for tests, the same in every run.

import Tensors

struct Draws {
  private let random: CounterRandom
  private var drawn: UInt64 = 0

  init(key: UInt64) { random = CounterRandom(key: key) }

  /// A number in 0..<count.
  mutating func index(_ count: Int) -> Int {
    drawn += 1
    return Int(random.uniform(stream: 0, index: drawn) * Double(count))
  }
}
