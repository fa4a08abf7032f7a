// Python's random numbers, so that the same seed draws the same examples as lm-eval.

/// `random.Random(seed)` of Python 3: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998).
package struct PythonRandom: Sendable {
  private static let size = 624
  private static let middle = 397

  private var state: [UInt32]
  private var index = PythonRandom.size

  /// - Parameter seed: its sign does not matter, as in Python.
  package init(seed: Int) {
    var key: [UInt32] = []
    var rest = seed.magnitude
    repeat {
      key.append(UInt32(truncatingIfNeeded: rest))
      rest >>= 32
    } while rest > 0
    state = [19_650_218]
    for place in 1..<UInt32(Self.size) {
      let last = state[state.count - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ place)
    }
    mix(key)
  }

  /// Mixes a seed into the state (`init_by_array`).
  private mutating func mix(_ key: [UInt32]) {
    var (i, j) = (1, 0)
    func wrap(_ state: inout [UInt32], _ i: inout Int) {
      if i >= Self.size {
        state[0] = state[Self.size - 1]
        i = 1
      }
    }
    for _ in 0..<max(Self.size, key.count) {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_664_525) &+ key[j] &+ UInt32(j)
      i += 1
      wrap(&state, &i)
      j = (j + 1) % key.count
    }
    for _ in 1..<Self.size {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_566_083_941) &- UInt32(i)
      i += 1
      wrap(&state, &i)
    }
    state[0] = 0x8000_0000
  }

  private mutating func refill() {
    state.withUnsafeMutableBufferPointer { state in
      func twist(_ place: Int, _ next: Int, _ far: Int) {
        let bits = (state[place] & 0x8000_0000) | (state[next] & 0x7FFF_FFFF)
        state[place] = state[far] ^ bits >> 1 ^ (bits & 1 == 0 ? 0 : 0x9908_B0DF)
      }
      for place in 0..<Self.size - Self.middle { twist(place, place + 1, place + Self.middle) }
      for place in Self.size - Self.middle..<Self.size - 1 {
        twist(place, place + 1, place + Self.middle - Self.size)
      }
      twist(Self.size - 1, 0, Self.middle - 1)
    }
    index = 0
  }

  /// The next 32 bits.
  @inline(__always)
  package mutating func next() -> UInt32 {
    if index >= Self.size { refill() }
    var word = state[index]
    index += 1
    word ^= word >> 11
    word ^= word << 7 & 0x9D2C_5680
    word ^= word << 15 & 0xEFC6_0000
    return word ^ word >> 18
  }

  /// `random()`: 53 bits, in [0, 1).
  @inline(__always)
  package mutating func real() -> Double {
    let (high, low) = (next() >> 5, next() >> 6)
    return (Double(high) * 67_108_864 + Double(low)) * (1 / 9_007_199_254_740_992)
  }

  /// `randrange(bound)`.
  /// - Precondition: 1 <= bound < 2^32.
  package mutating func below(_ bound: Int) -> Int {
    precondition(1..<(1 << 32) ~= bound, "a bound of \(bound)")
    let unused = UInt32(32 - (Int.bitWidth - bound.leadingZeroBitCount))
    while true {
      let value = Int(next() >> unused)
      if value < bound { return value }
    }
  }

  /// The places that `sample(population, count)` draws.
  /// - Precondition: count <= population < 2^32.
  package mutating func sample(_ count: Int, of population: Int) -> [Int] {
    precondition(0...population ~= count, "\(count) of \(population)")
    // Python chooses between two ways by the memory that they take: a table's size is a power of 4.
    var limit = 21
    if count > 5 {
      var size = 64
      while size < count * 3 { size *= 4 }
      limit += size
    }
    guard population > limit else {
      var pool = Array(0..<population)
      return (0..<count).map { drawn in
        let place = below(population - drawn)
        let value = pool[place]
        pool[place] = pool[population - drawn - 1]
        return value
      }
    }
    var drawn: Set<Int> = []
    return (0..<count).map { _ in
      while true {
        let place = below(population)
        if drawn.insert(place).inserted { return place }
      }
    }
  }

  /// A place of `choices(population, k: …)`.
  @inline(__always)
  package mutating func choice(of population: Int) -> Int { Int(real() * Double(population)) }
}
